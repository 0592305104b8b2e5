//! The flags of a server and their environment variables.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    ArgMatches, Args, CommandFactory, ValueEnum, ValueHint, builder::BoolishValueParser, error::ErrorKind,
    parser::ValueSource,
};
use ecru_aws::ErrorNames;
use ecru_model::RegistryId;
use ecru_outbound::Url;
use ecru_registry::{Endpoint, OrganizationId, Pace, QuotaSetting, Quotas, RepositoryUriShape};
use tracing_subscriber::filter::Targets;

use super::{
    public_endpoint,
    values::{parse_account_id, parse_log_level, parse_sink},
};
use crate::{
    AdvisoriesRefresh, DataDirectory, EventOptions, HostPattern, Options, TlsFiles, UpstreamOptions,
    advisories::PUBLISHED_AT,
    command_line::{Arguments, Failure, advisories::parse_archives, data::default_data_directory},
    logs::{Format, Logging},
};

#[derive(Debug, Args)]
pub(in crate::command_line) struct ServeArguments {
    /// Address and port to listen on; port 0 selects a free port, which the first line of output names
    #[arg(
        long,
        env = "ECRU_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4566"
    )]
    listen: SocketAddr,

    /// Directory for all data; created with mode 0700 if it does not exist, used by one process at a time
    /// [default: $XDG_DATA_HOME/ecru, else ~/.local/share/ecru]
    #[arg(long, env = "ECRU_DATA_DIR", value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,

    /// Keep the data in a new directory that is removed at exit, and do not wait for the disk
    #[arg(long, env = "ECRU_EPHEMERAL", value_parser = BoolishValueParser::new())]
    ephemeral: bool,

    /// Account of callers whose access key is not itself an account ID (12 digits)
    #[arg(
        long,
        env = "ECRU_ACCOUNT_ID",
        value_name = "ID",
        default_value = "000000000000"
    )]
    #[arg(value_parser = parse_account_id)]
    account_id: RegistryId,

    /// Organization of every account, for conditions of policies
    #[arg(
        long,
        env = "ECRU_ORGANIZATION_ID",
        value_name = "ID",
        default_value = "o-ecru000000"
    )]
    organization_id: OrganizationId,

    /// Scheme and authority to name in answers if clients use another address than this server sees, such as
    /// `https://registry.example` behind a proxy [default: the address of each request]
    #[arg(long, env = "ECRU_PUBLIC_ENDPOINT", value_name = "URL", value_parser = public_endpoint::parse)]
    public_endpoint: Option<Endpoint>,

    /// Also answer for this host name, such as `registry.corp.example.com`, `*.corp.example.com` or `*` for
    /// any; may be repeated, with commas in the variable [always: addresses, `localhost`, names without a dot
    /// or below localhost, internal, local, svc, test and example, this machine's name, hosts of ECR's form]
    #[arg(long, env = "ECRU_ALLOW_HOST", value_name = "PATTERN", value_delimiter = ',')]
    allow_host: Vec<HostPattern>,

    /// Form of `repositoryUri`: `request` works with `docker push` unchanged, `aws` looks like Amazon's
    #[arg(
        long,
        env = "ECRU_REPOSITORY_URI",
        value_name = "SHAPE",
        default_value = "request",
        hide_possible_values = true
    )]
    repository_uri: RepositoryUri,

    /// Codes of errors that Amazon's model lacks: `ecru` keeps the own codes, `aws` uses the nearest modelled
    /// ones
    #[arg(
        long,
        env = "ECRU_ERROR_NAMES",
        value_name = "NAMES",
        default_value = "ecru",
        hide_possible_values = true
    )]
    error_names: Names,

    /// Duration of waits that only imitate Amazon's, such as 20 minutes until an archived image is restored:
    /// `fast` does not wait, `aws` waits as long as Amazon
    #[arg(
        long,
        env = "ECRU_PACE",
        value_name = "PACE",
        default_value = "fast",
        hide_possible_values = true
    )]
    pace: Waits,

    /// Refuse users whose name begins with `test`, who may otherwise push and pull with any password
    #[arg(long, env = "ECRU_NO_DEV_USERS", value_parser = BoolishValueParser::new())]
    no_dev_users: bool,

    /// Do not serve `/_ecru/…` and `/_fakecloud/…`, which show and reset all data without credentials
    #[arg(long, env = "ECRU_NO_INTROSPECTION", value_parser = BoolishValueParser::new())]
    no_introspection: bool,

    /// Serve HTTPS with this certificate chain (PEM); reloaded when the file changes
    #[arg(long, env = "ECRU_TLS_CERT", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate (PEM)
    #[arg(long, env = "ECRU_TLS_KEY", value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Limit that replaces the service's, such as `tags-per-image=10`; may be repeated, with commas in the
    /// variable [names: repositories-per-registry, images-per-repository, tags-per-image, layer-parts, layer-bytes,
    /// uploads-per-repository, pull-time-exclusions-per-registry, creation-templates-per-registry,
    /// pull-through-cache-rules-per-registry]
    #[arg(long, env = "ECRU_QUOTA", value_name = "NAME=NUMBER", value_delimiter = ',')]
    quota: Vec<QuotaSetting>,

    /// Send each event (an image was pushed, deleted, scanned, …) to this address in the form that
    /// EventBridge sends to a target: one POST of JSON per event, repeated until the answer is 2xx
    #[arg(long, env = "ECRU_EVENTS_WEBHOOK", value_name = "URL", value_parser = parse_sink)]
    events_webhook: Option<Url>,

    /// Send events with `PutEvents` to EventBridge, or a compatible server, at this address; the signature
    /// names account and region but has no real key
    #[arg(long, env = "ECRU_EVENTS_ENDPOINT", value_name = "URL", value_parser = parse_sink)]
    events_endpoint: Option<Url>,

    /// Drop events that one of these addresses has not accepted for this number of days
    #[arg(long, env = "ECRU_EVENTS_KEPT_DAYS", value_name = "DAYS", default_value = "7")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=3650))]
    events_kept_days: u16,

    /// Directory of security advisories in the OSV format (JSON files and zip files), checked for changes
    /// before each scan; `ecru advisories import` stores advisories permanently
    #[arg(long, env = "ECRU_ADVISORIES", value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    advisories: Option<PathBuf>,

    /// Fetch the advisories of the ecosystems that stored images use, at the start and then at this interval
    /// in hours
    #[arg(long, env = "ECRU_ADVISORIES_REFRESH", value_name = "HOURS")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=8760))]
    advisories_refresh: Option<u16>,

    /// URL of the archives of advisories: `<URL>/<ecosystem>/all.zip`
    #[arg(long, env = "ECRU_ADVISORIES_FROM", value_name = "URL", default_value = PUBLISHED_AT)]
    #[arg(value_parser = parse_archives)]
    advisories_from: Url,

    /// Use this URL instead of an upstream registry of the pull-through cache, such as
    /// `registry-1.docker.io=http://localhost:5000`; may be repeated, with commas in the variable; a second
    /// URL for the same host is an address that the first may redirect to
    #[arg(long, env = "ECRU_UPSTREAM", value_name = "HOST=URL", value_delimiter = ',')]
    #[arg(value_parser = ecru_outbound::parse_redirection)]
    upstream: Vec<(String, Url)>,

    /// Allow rules of the pull-through cache for this registry, which the service does not support, at any
    /// address; uses HTTPS, or HTTP on this machine
    #[arg(
        long,
        env = "ECRU_ALLOW_UPSTREAM",
        value_name = "HOST[:PORT]",
        value_delimiter = ','
    )]
    #[arg(value_parser = ecru_outbound::parse_host)]
    allow_upstream: Vec<String>,

    /// File with the key that encrypts the material of KMS keys: 32 bytes, raw or in base64 [default: a file in the
    /// data directory, made with the first key]
    #[arg(long, env = "ECRU_MASTER_KEY_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    master_key_file: Option<PathBuf>,

    /// What to log on standard error: error, warn, info (a line per request), debug or trace; also by module,
    /// as in `info,ecru_store=debug`
    #[arg(long, env = "ECRU_LOG_LEVEL", value_name = "LEVEL", default_value = "info", value_parser = parse_log_level)]
    log_level: Targets,

    /// Format of log lines: `text` for people, `json` for machines
    #[arg(
        long,
        env = "ECRU_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RepositoryUri {
    Request,
    Aws,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Names {
    Ecru,
    Aws,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Waits {
    Fast,
    Aws,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl ServeArguments {
    /// A flag takes precedence over a variable. Two flags, or two variables, for the data directory
    /// contradict each other.
    pub(in crate::command_line) fn settle_data(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if !self.ephemeral || self.data_dir.is_none() {
            return Ok(());
        }
        let is_flag = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        match (is_flag("ephemeral"), is_flag("data_dir")) {
            (true, false) => self.data_dir = None,
            (false, true) => self.ephemeral = false,
            _ => {
                let problem = "`--ephemeral` and `--data-dir` cannot be used together";
                return Err(Arguments::command().error(ErrorKind::ArgumentConflict, problem));
            }
        }
        Ok(())
    }

    pub(super) fn into_options(self) -> Result<(Options, Logging), Failure> {
        let data = match (self.ephemeral, self.data_dir) {
            (true, _) => DataDirectory::Ephemeral,
            (false, Some(directory)) => DataDirectory::Kept(directory),
            (false, None) => DataDirectory::Kept(default_data_directory()?),
        };
        let options = Options {
            listen: self.listen,
            data,
            account_id: self.account_id,
            organization_id: self.organization_id,
            public_endpoint: self.public_endpoint,
            allowed_hosts: self.allow_host,
            repository_uri: match self.repository_uri {
                RepositoryUri::Request => RepositoryUriShape::Request,
                RepositoryUri::Aws => RepositoryUriShape::Aws,
            },
            error_names: match self.error_names {
                Names::Ecru => ErrorNames::Ecru,
                Names::Aws => ErrorNames::Aws,
            },
            pace: match self.pace {
                Waits::Fast => Pace::Fast,
                Waits::Aws => Pace::Aws,
            },
            dev_users: !self.no_dev_users,
            introspection: !self.no_introspection,
            tls: self
                .tls_cert
                .zip(self.tls_key)
                .map(|(certificate, key)| TlsFiles { certificate, key }),
            quotas: self.quota.into_iter().fold(Quotas::default(), Quotas::with),
            uploads_at_once: None,
            advisories: self.advisories,
            advisories_refresh: self.advisories_refresh.map(|hours| AdvisoriesRefresh {
                every: Duration::from_hours(u64::from(hours)),
                from: self.advisories_from,
            }),
            upstreams: UpstreamOptions {
                redirected: self.upstream,
                allowed: self.allow_upstream,
            },
            master_key_file: self.master_key_file,
            events: EventOptions {
                webhook: self.events_webhook,
                endpoint: self.events_endpoint,
                kept: Duration::from_hours(24 * u64::from(self.events_kept_days)),
            },
        };
        let format = match self.log_format {
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        };
        Ok((
            options,
            Logging {
                level: self.log_level,
                format,
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::command_line::Command;

    fn read(words: &[&str]) -> Result<Options, clap::Error> {
        let words: Vec<&str> = ["ecru"].iter().chain(words).copied().collect();
        let Command::Serve(arguments) = Command::read(&words)? else {
            panic!("`{words:?}` do not serve");
        };
        let Ok((options, _)) = arguments.into_options() else {
            panic!("`{words:?}` are not valid options");
        };
        Ok(options)
    }

    fn read_ephemeral(words: &[&str]) -> Result<Options, clap::Error> {
        read(&[&["--ephemeral"], words].concat())
    }

    #[test]
    fn serve_may_be_left_out() {
        for words in [&["--ephemeral"][..], &["serve", "--ephemeral"]] {
            let options = read(words).expect("good arguments");
            assert_eq!(options.listen.to_string(), "127.0.0.1:4566");
            assert!(matches!(options.data, DataDirectory::Ephemeral));
            assert!(options.dev_users && options.introspection && options.tls.is_none());
        }
    }

    #[test]
    fn an_organization_and_a_pace_have_defaults_and_are_checked() {
        let read = |words: &[&str]| {
            read_ephemeral(words).map(|options| (options.organization_id.to_string(), options.pace))
        };
        let default = (OrganizationId::default().to_string(), Pace::Fast);
        assert_eq!(read(&[]).expect("no arguments"), default);
        let told = read(&["--organization-id", "o-a1b2c3d4e5", "--pace", "aws"]);
        assert_eq!(
            told.expect("good arguments"),
            ("o-a1b2c3d4e5".to_owned(), Pace::Aws)
        );
        for words in [
            ["--organization-id", "o-short"],
            ["--organization-id", "a1b2c3d4e5"],
            ["--organization-id", "o-A1B2C3D4E5"],
            ["--pace", "slow"],
        ] {
            assert!(read(&words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn the_help_names_every_quota() {
        let refusal = "=1".parse::<QuotaSetting>().expect_err("a quota without a name");
        let refusal = refusal.to_string();
        let names = refusal.strip_prefix("the quotas are ").expect("their names");
        let command = Arguments::command();
        let argument = command
            .get_arguments()
            .find(|argument| argument.get_id() == "quota");
        let help = argument.and_then(|argument| argument.get_help()).expect("help");
        assert!(help.to_string().contains(names), "{help}");
    }

    #[test]
    fn events_go_to_http_addresses() {
        let read = |words: &[&str]| read_ephemeral(words).map(|options| options.events);
        let events = read(&[
            "--events-webhook",
            "https://example.com/hook",
            "--events-endpoint",
            "http://localhost:4567",
            "--events-kept-days",
            "2",
        ])
        .expect("good arguments");
        assert_eq!(
            events.webhook.expect("a webhook").as_str(),
            "https://example.com/hook"
        );
        assert_eq!(
            events.endpoint.expect("an endpoint").as_str(),
            "http://localhost:4567/"
        );
        assert_eq!(events.kept, Duration::from_hours(48));

        for words in [
            ["--events-webhook", "ftp://example.com"],
            ["--events-webhook", "example.com"],
            ["--events-endpoint", "http://"],
            ["--events-kept-days", "0"],
        ] {
            assert!(read(&words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn advisories_are_fetched_from_an_address_without_secrets() {
        let read = |words: &[&str]| {
            let update = ["ecru", "advisories", "update", "--data-dir", "/data"];
            Command::read(&[&update, words].concat()).map(|_| ())
        };
        assert!(read(&["--from", "http://localhost:8000/osv", "--ecosystem", "Red Hat"]).is_ok());
        for bad in [
            ["--from", "ftp://localhost"],
            ["--from", "https://me:secret@localhost"],
            ["--from", "https://localhost/?a=b"],
            ["--ecosystem", "../npm"],
            ["--ecosystem", ""],
        ] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
        let options = read_ephemeral(&["--advisories-refresh", "24"]).expect("good arguments");
        let refresh = options.advisories_refresh.expect("a refresh");
        assert_eq!(refresh.every, Duration::from_hours(24));
        assert_eq!(refresh.from.as_str(), PUBLISHED_AT);
    }

    #[test]
    fn upstreams_are_hosts_and_where_they_are() {
        let read = |words: &[&str]| read_ephemeral(words).map(|options| options.upstreams);
        let upstreams = read(&[
            "--upstream",
            "quay.io=http://localhost:5000,ghcr.io=https://mirror.example",
            "--allow-upstream",
            "registry.example:5000",
            "--allow-upstream",
            "localhost:5001",
        ])
        .expect("good arguments");
        let redirected = upstreams
            .redirected
            .iter()
            .map(|(host, url)| (host.as_str(), url.as_str()));
        assert_eq!(
            redirected.collect::<Vec<_>>(),
            [
                ("quay.io", "http://localhost:5000/"),
                ("ghcr.io", "https://mirror.example/")
            ]
        );
        assert_eq!(upstreams.allowed, ["registry.example:5000", "localhost:5001"]);
        for words in [
            ["--upstream", "quay.io"],
            ["--upstream", "quay.io=localhost:5000"],
            ["--upstream", "quay.io=http://localhost:5000/path"],
            ["--allow-upstream", "https://registry.example"],
        ] {
            assert!(read(&words).is_err(), "{words:?}");
        }
    }
}
