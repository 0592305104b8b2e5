//! The lines that the server prints when it is ready for requests.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use ecru_registry::{Endpoint, Scheme};

use crate::{Options, Server};

/// The facts that the lines depend on.
pub(super) struct Greeting {
    address: SocketAddr,
    data: PathBuf,
    public_endpoint: Option<Endpoint>,
    certificate: Option<PathBuf>,
    dev_users: bool,
}

impl Greeting {
    pub(super) fn new(options: &Options, server: &Server) -> Greeting {
        Greeting {
            address: server.address(),
            data: server.data_directory().to_owned(),
            public_endpoint: options.public_endpoint.clone(),
            certificate: options.tls.as_ref().map(|files| files.certificate.clone()),
            dev_users: options.dev_users,
        }
    }

    pub(super) fn print(&self) {
        let mut text = self.lines().join("\n");
        for warning in self.warnings() {
            text.push_str("\nwarning: ");
            text.push_str(&warning);
        }
        text.push('\n');
        // A server whose standard output is closed keeps running.
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    /// The addresses of the server, then three commands to paste: log in, create a repository, push to it.
    fn lines(&self) -> [String; 4] {
        let version = env!("CARGO_PKG_VERSION");
        let Endpoint { scheme, authority } = self.reached_at();
        let aws = self.aws_command(&format!("{scheme}://{authority}"));

        let login = if self.dev_users {
            format!("docker login --username test --password test {authority}")
        } else {
            format!("{aws} get-login-password | docker login --username AWS --password-stdin {authority}")
        };
        [
            format!(
                "ecru {version} listening on {}://{} (data in {})",
                self.scheme(),
                self.address,
                self.data.display()
            ),
            login,
            format!("{aws} create-repository --repository-name demo"),
            // This image needs no other registry: it holds one file of this machine.
            format!("tar -cC /etc hosts | docker import - {authority}/demo && docker push {authority}/demo"),
        ]
    }

    fn aws_command(&self, endpoint: &str) -> String {
        let bundle = match (&self.certificate, &self.public_endpoint) {
            (Some(certificate), None) => format!(" --ca-bundle {}", quoted(certificate)),
            _ => String::new(),
        };
        format!(
            "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --region us-east-1 \
             --endpoint-url {endpoint}{bundle} ecr"
        )
    }

    fn reached_at(&self) -> Endpoint {
        if let Some(endpoint) = &self.public_endpoint {
            return endpoint.clone();
        }
        let host = match self.address.ip() {
            // Docker uses plain HTTP for `localhost` by default.
            IpAddr::V4(ip) if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
            IpAddr::V6(ip) if ip.is_unspecified() => "localhost".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Endpoint {
            scheme: self.scheme(),
            authority: format!("{host}:{}", self.address.port()),
        }
    }

    fn scheme(&self) -> Scheme {
        if self.certificate.is_some() {
            Scheme::Https
        } else {
            Scheme::Http
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.dev_users {
            warnings.push(
                "users whose name begins with `test` may push and pull with any password (`--no-dev-users` prevents it)"
                    .to_owned(),
            );
        }
        if self.certificate.is_none() && !self.address.ip().to_canonical().is_loopback() {
            warnings.push(format!(
                "other machines can reach {}, and its traffic is not encrypted (`--tls-cert` and `--tls-key` encrypt it)",
                self.address
            ));
        }
        warnings
    }
}

/// Quotes a path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn greeting(address: &str) -> Greeting {
        Greeting {
            address: address.parse().expect("an address"),
            data: "/data".into(),
            public_endpoint: None,
            certificate: None,
            dev_users: true,
        }
    }

    #[test]
    fn three_commands_follow_the_address() {
        let lines = greeting("127.0.0.1:4566").lines().join("\n");
        assert_snapshot!(lines.replace(env!("CARGO_PKG_VERSION"), "<version>"), @r"
        ecru <version> listening on http://127.0.0.1:4566 (data in /data)
        docker login --username test --password test localhost:4566
        AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --region us-east-1 --endpoint-url http://localhost:4566 ecr create-repository --repository-name demo
        tar -cC /etc hosts | docker import - localhost:4566/demo && docker push localhost:4566/demo
        ");
    }

    #[test]
    fn the_commands_fit_tls_and_the_absence_of_dev_users() {
        let certificate = Some("/my certificates/it's.pem".into());
        let lines = Greeting {
            certificate,
            dev_users: false,
            ..greeting("[2001:db8::1]:443")
        }
        .lines()
        .join("\n");
        assert_snapshot!(lines.replace(env!("CARGO_PKG_VERSION"), "<version>"), @r"
        ecru <version> listening on https://[2001:db8::1]:443 (data in /data)
        AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --region us-east-1 --endpoint-url https://[2001:db8::1]:443 --ca-bundle '/my certificates/it'\''s.pem' ecr get-login-password | docker login --username AWS --password-stdin [2001:db8::1]:443
        AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --region us-east-1 --endpoint-url https://[2001:db8::1]:443 --ca-bundle '/my certificates/it'\''s.pem' ecr create-repository --repository-name demo
        tar -cC /etc hosts | docker import - [2001:db8::1]:443/demo && docker push [2001:db8::1]:443/demo
        ");
    }

    #[test]
    fn the_commands_name_the_public_endpoint() {
        let public_endpoint = Some(Endpoint {
            scheme: Scheme::Https,
            authority: "registry.example".to_owned(),
        });
        let lines = Greeting {
            public_endpoint,
            ..greeting("0.0.0.0:4566")
        }
        .lines()
        .join("\n");
        assert_snapshot!(lines.replace(env!("CARGO_PKG_VERSION"), "<version>"), @r"
        ecru <version> listening on http://0.0.0.0:4566 (data in /data)
        docker login --username test --password test registry.example
        AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --region us-east-1 --endpoint-url https://registry.example ecr create-repository --repository-name demo
        tar -cC /etc hosts | docker import - registry.example/demo && docker push registry.example/demo
        ");
    }

    #[test]
    fn what_lets_others_in_is_warned_about() {
        let none: [&str; 0] = [];
        assert_eq!(
            Greeting {
                dev_users: false,
                ..greeting("127.0.0.1:1")
            }
            .warnings(),
            none
        );
        assert_eq!(greeting("[::1]:1").warnings().len(), 1);
        assert_eq!(greeting("0.0.0.0:1").warnings().len(), 2);
        let certificate = Some("c.pem".into());
        assert_eq!(
            Greeting {
                certificate,
                dev_users: false,
                ..greeting("10.0.0.1:1")
            }
            .warnings(),
            none
        );
    }
}
