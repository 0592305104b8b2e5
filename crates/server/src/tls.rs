//! TLS with a certificate that is reloaded when its files change.

use std::{
    fmt, fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use crate::TlsFiles;

const CHECKS_APART: Duration = Duration::from_secs(1);

pub(crate) const HTTP2: &[u8] = b"h2";
/// The name of each file in messages, and its flag.
const CERTIFICATE: (&str, &str) = ("certificate", "--tls-cert");
const KEY: (&str, &str) = ("key", "--tls-key");
const HTTP1: &[u8] = b"http/1.1";

pub(crate) fn acceptor(files: TlsFiles) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certificate = ReloadedCertificate::load(files, Arc::clone(&provider))?;
    let mut configuration = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    configuration.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(configuration)))
}

struct ReloadedCertificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    state: Mutex<State>,
}

struct State {
    pair: Arc<CertifiedKey>,
    seen: Stamps,
    checked: Instant,
}

/// Changes whenever the content of the two files changes.
type Stamps = [(SystemTime, u64); 2];

impl ReloadedCertificate {
    fn load(files: TlsFiles, provider: Arc<CryptoProvider>) -> anyhow::Result<ReloadedCertificate> {
        // Read before the content, so that the next check detects a change in between.
        let seen = stamps(&files)?;
        let pair = Arc::new(read_pair(&files, &provider)?);
        let state = Mutex::new(State {
            pair,
            seen,
            checked: Instant::now(),
        });
        Ok(ReloadedCertificate {
            files,
            provider,
            state,
        })
    }

    fn current(&self, now: Instant) -> Arc<CertifiedKey> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.checked) >= CHECKS_APART {
            state.checked = now;
            self.reload(&mut state);
        }
        Arc::clone(&state.pair)
    }

    /// Reloads the pair once both files match. They are replaced one after the other, so the current pair
    /// stays until then.
    fn reload(&self, state: &mut State) {
        let Ok(stamps) = stamps(&self.files) else { return };
        if stamps == state.seen {
            return;
        }
        state.seen = stamps;
        match read_pair(&self.files, &self.provider) {
            Ok(pair) => {
                state.pair = Arc::new(pair);
                tracing::info!("the TLS certificate was reloaded");
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the changed TLS files do not match: the last pair stays in use"
                );
            }
        }
    }
}

impl ResolvesServerCert for ReloadedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current(Instant::now()))
    }
}

impl fmt::Debug for ReloadedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadedCertificate").finish_non_exhaustive()
    }
}

fn stamps(files: &TlsFiles) -> anyhow::Result<Stamps> {
    let stamp = |path: &Path| {
        let metadata = fs::metadata(path)?;
        io::Result::Ok((metadata.modified()?, metadata.len()))
    };
    let certificate =
        stamp(&files.certificate).with_context(|| unreadable(CERTIFICATE, &files.certificate))?;
    let key = stamp(&files.key).with_context(|| unreadable(KEY, &files.key))?;
    Ok([certificate, key])
}

fn read_pair(files: &TlsFiles, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| unreadable(CERTIFICATE, &files.certificate))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "the TLS certificate `{}` (`--tls-cert`) has no certificate in PEM form",
        files.certificate.display()
    );
    let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| unreadable(KEY, &files.key))?;
    CertifiedKey::from_der(chain, key, provider)
        .context("the TLS certificate (`--tls-cert`) and key (`--tls-key`) do not belong together")
}

fn unreadable((what, flag): (&str, &str), path: &Path) -> String {
    format!("cannot read the TLS {what} `{}` (`{flag}`)", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(directory: &Path) -> TlsFiles {
        let files = TlsFiles {
            certificate: directory.join("pair.crt"),
            key: directory.join("pair.key"),
        };
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        fs::write(&files.certificate, pair.cert.pem()).expect("a file");
        fs::write(&files.key, pair.signing_key.serialize_pem()).expect("a file");
        files
    }

    #[test]
    fn a_changed_pair_is_taken_at_a_later_handshake_and_half_of_one_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = write_pair(directory.path());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let held = ReloadedCertificate::load(files.clone(), provider).expect("a pair");
        let mut now = Instant::now();
        let mut next = |apart| {
            now += apart;
            held.current(now).cert.clone()
        };
        let first = next(Duration::ZERO);

        let old_key = fs::read(&files.key).expect("a key");
        write_pair(directory.path());
        let new_key = fs::read(&files.key).expect("a key");
        // The stamps differ even if the clock of the file system has not advanced.
        fs::write(&files.key, [&old_key[..], b"\n\n"].concat()).expect("a file");
        assert_eq!(
            next(Duration::from_millis(10)),
            first,
            "too early for another check"
        );
        assert_eq!(
            next(CHECKS_APART),
            first,
            "a certificate whose key is not there yet"
        );

        fs::write(&files.key, [&new_key[..], b"\n"].concat()).expect("a file");
        let second = next(CHECKS_APART);
        assert_ne!(second, first);

        fs::write(&files.certificate, "nothing").expect("a file");
        assert_eq!(next(CHECKS_APART), second, "an invalid certificate");
        fs::remove_file(&files.certificate).expect("its end");
        assert_eq!(next(CHECKS_APART), second, "no file");
    }

    #[test]
    fn a_missing_file_or_a_key_of_another_certificate_is_told_at_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = write_pair(directory.path());
        let key = fs::read(&files.key).expect("a key");
        write_pair(directory.path());
        fs::write(&files.key, key).expect("a file");
        let refusal = acceptor(files.clone()).err().expect("a refusal");
        assert_eq!(
            refusal.to_string(),
            "the TLS certificate (`--tls-cert`) and key (`--tls-key`) do not belong together"
        );

        fs::remove_file(&files.key).expect("its end");
        let shown = files.key.display().to_string();
        let refusal = acceptor(files).err().expect("a refusal");
        assert_eq!(
            refusal.to_string(),
            format!("cannot read the TLS key `{shown}` (`--tls-key`)")
        );
    }
}
