//! A run against an endpoint: prepares, sends the variants, and restores the former state.

mod settings;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    client::{Answer, Client},
    facts::{Facts, Operation},
    judge::judge,
    outcome::Outcome,
    samples::{Call, Samples, Step, deletion},
    values::Values,
    variants::{self, Body, Expected, Manner, Variant},
};

const UNTIL_MAX: Duration = Duration::from_secs(20);
/// The account of a test server, for services without an operation that returns it.
const USUAL_ACCOUNT: &str = "000000000000";
const UNTIL_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Session<'a> {
    client: Client<'a>,
    facts: &'a Facts,
    samples: &'a Samples,
    values: Values,
    /// Number of names issued so far.
    named: u32,
    /// The objects that the run created, each with the call that deletes it.
    made: Vec<(&'a str, Value)>,
    /// The calls that restore the settings.
    settings: Vec<(&'a str, Value)>,
}

/// Runs every variant, then restores the registry.
pub(crate) async fn run<'a>(
    client: Client<'a>,
    region: &str,
    facts: &'a Facts,
    samples: &'a Samples,
) -> Result<Vec<Outcome>> {
    let variants = variants::all(facts, samples)?;
    let mut session = Session::begin(client, region, facts, samples).await?;
    let outcomes = session.ask(&variants).await;
    session.restore().await?;
    session.take_away(0).await?;
    session.take_away_copies().await?;
    outcomes
}

impl<'a> Session<'a> {
    async fn begin(client: Client<'a>, region: &str, facts: &'a Facts, samples: &'a Samples) -> Result<Self> {
        let mut session = Self {
            client,
            facts,
            samples,
            values: Values::new("", "", region),
            named: 0,
            made: Vec::new(),
            settings: Vec::new(),
        };
        let account = session.account().await?;
        session.values = Values::new(&run_name(), &account, region);
        session.settings = settings::load(&session, &samples.settings).await?;
        Ok(session)
    }

    async fn account(&self) -> Result<String> {
        let Some(account) = &self.samples.account else {
            return Ok(USUAL_ACCOUNT.to_owned());
        };
        let answer = self.call(&account.call, &json!({})).await?;
        let found = answer.body.as_ref().and_then(|body| body.pointer(&account.at));
        let found = found.and_then(Value::as_str);
        Ok(found
            .context("the endpoint does not name its account")?
            .to_owned())
    }

    async fn ask(&mut self, variants: &[Variant]) -> Result<Vec<Outcome>> {
        let shared = self.values.get("shared")?.to_owned();
        self.values.set("fresh", shared);
        let (mut values, samples) = (self.values.clone(), self.samples);
        let prepared = self.prepare(&mut values, &samples.shared).await?;
        self.values = values;
        let shared_made = self.made.len();

        let mut outcomes = prepared.err().map(unprepared).into_iter().collect::<Vec<_>>();
        let mut operation = "";
        for variant in variants {
            if operation != variant.operation {
                operation = &variant.operation;
                self.restore().await?;
                self.take_away(shared_made).await?;
            }
            outcomes.push(self.outcome(variant).await?);
        }
        Ok(outcomes)
    }

    async fn outcome(&mut self, variant: &Variant) -> Result<Outcome> {
        let operation = self
            .facts
            .operations
            .iter()
            .find(|it| it.name == variant.operation);
        let mut values = self.values.clone();
        self.named += 1;
        values.set("fresh", format!("{}/n{}", values.get("run")?, self.named));

        let outcome = |answered: String, complaint: Option<String>| Outcome {
            name: variant.name.clone(),
            answered,
            complaint,
        };
        if variant.expected == Expected::Success {
            let before = &self.samples.of(&variant.operation)?.before;
            if let Err(reason) = self.prepare(&mut values, before).await? {
                return Ok(outcome("not prepared".to_owned(), Some(reason)));
            }
        }
        let body = match &variant.body {
            Body::Text(text) => Body::Text(text),
            Body::Input(input) => match self.with_token(operation, &mut values, input).await? {
                Some(input) => Body::Input(input),
                None => return Ok(outcome("no second page".to_owned(), None)),
            },
        };
        let answer = self
            .client
            .send(&variant.operation, &body, variant.manner)
            .await?;
        self.remember(&variant.operation, &answer);
        let complaint = judge(self.facts, operation, variant.expected, &answer).err();
        Ok(outcome(answered(&answer), complaint))
    }

    /// Fills in the values of an input. If the input needs a page token, the token is that of the same list's
    /// first page.
    async fn with_token(
        &self,
        operation: Option<&Operation>,
        values: &mut Values,
        input: &Value,
    ) -> Result<Option<Value>> {
        let paginator = operation.and_then(|operation| operation.paginator.as_ref());
        if let (Some(operation), Some(paginator)) = (operation, paginator)
            && input.get(&paginator.input_token) == Some(&json!("${token}"))
        {
            let mut first = input.clone();
            if let Some(members) = first.as_object_mut() {
                members.remove(&paginator.input_token);
                if let Some(limit_key) = &paginator.limit_key {
                    members.insert(limit_key.clone(), json!(1));
                }
            }
            let page = self.call(&operation.name, &values.fill(&first)?).await?;
            let token = page
                .body
                .as_ref()
                .and_then(|body| body.get(&paginator.output_token));
            match token.and_then(Value::as_str) {
                Some(token) => values.set("token", token.to_owned()),
                None => return Ok(None),
            }
        }
        values.fill(input).map(Some)
    }

    /// Runs the steps. Returns the answer of the first step that was refused.
    async fn prepare(&mut self, values: &mut Values, steps: &[Step]) -> Result<Result<(), String>> {
        let mut waiting = steps.iter().rev().collect::<Vec<_>>();
        let mut refused = Ok(());
        while let Some(step) = waiting.pop() {
            match step {
                Step::Recipe(name) => {
                    let recipe = self.samples.recipes.get(name);
                    let recipe = recipe.with_context(|| format!("no recipe `{name}`"))?;
                    waiting.extend(recipe.iter().rev());
                }
                // A refused step does not end the preparation: most requests need only some of the shared
                // steps.
                Step::Call(call) => refused = refused.and(self.step(values, call).await?),
            }
        }
        Ok(refused)
    }

    async fn step(&mut self, values: &mut Values, call: &Call) -> Result<Result<(), String>> {
        let input = values.fill(&call.input)?;
        let begun = Instant::now();
        let answer = loop {
            let answer = self.call(&call.operation, &input).await?;
            self.remember(&call.operation, &answer);
            let said = |pointer: &str| answer.body.as_ref()?.pointer(pointer)?.as_str();
            let reached = |(pointer, wanted): (&String, &Vec<String>)| {
                said(pointer).is_some_and(|said| wanted.iter().any(|it| it == said))
            };
            if answer.status != 200 || call.until.iter().all(reached) {
                break answer;
            }
            if begun.elapsed() > UNTIL_MAX {
                return Ok(Err(format!(
                    "`{}` did not reach the wanted state",
                    call.operation
                )));
            }
            sleep(UNTIL_PAUSE).await;
        };
        if answer.status != 200 {
            return Ok(Err(format!("{} answered {}", call.operation, answered(&answer))));
        }
        for (name, pointer) in &call.save {
            let saved = answer.body.as_ref().and_then(|body| body.pointer(pointer));
            let saved = saved.and_then(Value::as_str);
            let saved =
                saved.with_context(|| format!("`{}` answered without `{pointer}`", call.operation))?;
            values.set(name, saved.to_owned());
        }
        Ok(Ok(()))
    }

    pub(crate) async fn call(&self, operation: &str, input: &Value) -> Result<Answer> {
        let body = Body::Input(input.clone());
        self.client.send(operation, &body, Manner::Usual).await
    }

    /// Records the object that a request created, also for requests that should have failed.
    fn remember(&mut self, operation: &str, answer: &Answer) {
        let Some(made) = self.samples.made.get(operation) else {
            return;
        };
        let name = answer.body.as_ref().and_then(|body| body.pointer(&made.at));
        if let (200, Some(name)) = (answer.status, name) {
            let input = deletion(&made.member, name, &made.beside);
            self.made.push((&made.delete, input));
        }
    }

    /// Deletes all created objects except the first `kept`. Objects that no longer exist are ignored.
    async fn take_away(&mut self, kept: usize) -> Result<()> {
        for (operation, input) in self.made.split_off(kept.min(self.made.len())).iter().rev() {
            self.call(operation, input).await?;
        }
        Ok(())
    }

    /// Deletes the copies that replication stored in the other region.
    async fn take_away_copies(&self) -> Result<()> {
        let Some(copies) = &self.samples.copies else {
            return Ok(());
        };
        let there = self.client.in_region(self.values.get("other-region")?)?;
        let of_the_run = format!("{}/", self.values.get("run")?);
        let mut token = Value::Null;
        loop {
            let page = Body::Input(json!({ "maxResults": 1000, "nextToken": token }));
            let page = there.send(&copies.list, &page, Manner::Usual).await?;
            let body = page.body.unwrap_or_default();
            let found = body.get(&copies.result).and_then(Value::as_array);
            let names = found
                .into_iter()
                .flatten()
                .filter_map(|it| it.get(&copies.member));
            for name in names.filter(|name| name.as_str().is_some_and(|name| name.starts_with(&of_the_run))) {
                let input = Body::Input(deletion(&copies.member, name, &copies.beside));
                there.send(&copies.delete, &input, Manner::Usual).await?;
            }
            match body.get("nextToken") {
                Some(next) => token = next.clone(),
                None => return Ok(()),
            }
        }
    }

    async fn restore(&self) -> Result<()> {
        for (operation, input) in &self.settings {
            let answer = self.call(operation, input).await?;
            if answer.status >= 500 && answer.status != 501 {
                bail!(
                    "`{operation}` did not put the settings back: {}",
                    answered(&answer)
                );
            }
        }
        Ok(())
    }
}

fn unprepared(reason: String) -> Outcome {
    Outcome {
        name: "-/shared".to_owned(),
        answered: "not prepared".to_owned(),
        complaint: Some(reason),
    }
}

fn answered(answer: &Answer) -> String {
    match answer.code() {
        Some(code) => format!("{} {code}", answer.status),
        None => answer.status.to_string(),
    }
}

/// A name made from the time: nine letters and digits, short enough to begin even the shortest names.
fn run_name() -> String {
    let mut number = Timestamp::now().as_microsecond().unsigned_abs();
    let mut name = "c".to_owned();
    for _ in 0..8 {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        name.extend(char::from_digit(digit, 36));
        number /= 36;
    }
    name
}
