//! `ListGrants`: the grants of a key, in the order of their ids.

use ecru_model::Timestamp;
use ecru_platform::paging::{self, Filling};
use ecru_store::{Row, StoreError, Value, stored};

use super::{Constraints, Terms};
use crate::generated::shapes::{
    GrantConstraintSourceArnType, GrantConstraints, GrantIdType, GrantListEntry, GrantNameType,
    GrantOperation, ListGrantsInput as Input, ListGrantsOutput as Output, PrincipalIdType,
    ServicePrincipalType,
};
use crate::records::key::{Key, place};
use crate::records::listing::{after, answer, limit, listing};
use crate::{Context, Error};

pub(crate) async fn list_grants(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("ListGrants");
    let wanted = Wanted {
        grant_id: input.grant_id.map(|id| id.as_str().to_owned()),
        grantee: input
            .grantee_principal
            .map(|principal| principal.as_str().to_owned()),
        service: input
            .grantee_service_principal
            .map(|service| service.as_str().to_owned()),
    };
    let listing = listing(ctx, &request, input.key_id.as_str(), format!("{wanted:?}"));
    let after = after(&listing, input.marker.as_ref())?;
    let limit = limit(input.limit);
    let page = paging::read(&ctx.store, limit, {
        let (request, name) = (request.clone(), input.key_id.clone());
        move |at, room| {
            let key = request.key_by_id(at, name.as_str())?;
            let mut filling = Filling::new(room);
            let [account, region, id] = place(&key.scope, &key.id);
            at.each(
                "SELECT id, created_at, terms FROM kms_grants
                 WHERE account = ?1 AND region = ?2 AND key_id = ?3 AND id > ?4 ORDER BY id",
                &[account, region, id, Value::Text(&after)],
                &mut |row| {
                    filling.put(row.text(0)?.to_owned(), row.text(2)?.len(), || {
                        wanted.entry(&key, row)
                    })
                },
            )?;
            Ok::<_, Error>(filling.page())
        }
    })
    .await?;
    let (grants, next_marker, truncated) = answer(&listing, page)?;
    Ok(Output {
        grants: Some(grants),
        next_marker,
        truncated: Some(truncated),
    })
}

/// The grants that a request asks for.
#[derive(Debug)]
struct Wanted {
    grant_id: Option<String>,
    grantee: Option<String>,
    service: Option<String>,
}

impl Wanted {
    fn entry(&self, key: &Key, row: &Row<'_>) -> Result<Option<GrantListEntry>, StoreError> {
        let id = row.text(0)?;
        let terms: Terms = stored(serde_json::from_str(row.text(2)?))?;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        let is_wanted = is(&self.grant_id, Some(id))
            && is(&self.grantee, terms.grantee.as_deref())
            && is(&self.service, terms.grantee_service.as_deref());
        if !is_wanted {
            return Ok(None);
        }
        let principal = |text: Option<String>| stored(text.map(PrincipalIdType::parse).transpose());
        let service = |text: Option<String>| stored(text.map(ServicePrincipalType::parse).transpose());
        let operations = terms
            .operations
            .iter()
            .map(|name| stored(GrantOperation::parse(name)));
        Ok(Some(GrantListEntry {
            key_id: Some(key.arn_as_id()?),
            grant_id: Some(stored(GrantIdType::parse(id))?),
            name: stored(terms.name.map(GrantNameType::parse).transpose())?,
            creation_date: Some(Timestamp::from_millis(row.integer(1)?)),
            grantee_principal: principal(terms.grantee)?,
            retiring_principal: principal(terms.retiring)?,
            issuing_account: principal(Some(terms.issuing_account))?,
            operations: Some(operations.collect::<Result<_, _>>()?),
            constraints: terms.constraints.map(constraints).transpose()?,
            grantee_service_principal: service(terms.grantee_service)?,
            retiring_service_principal: service(terms.retiring_service)?,
        }))
    }
}

fn constraints(constraints: Constraints) -> Result<GrantConstraints, StoreError> {
    let source_arn = constraints.source_arn.map(GrantConstraintSourceArnType::parse);
    Ok(GrantConstraints {
        encryption_context_subset: constraints.context_subset,
        encryption_context_equals: constraints.context_equals,
        source_arn: stored(source_arn.transpose())?,
    })
}
