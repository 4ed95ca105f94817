//! TLS: the certificate and the key that a server shows, read once when it starts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error as TlsError, ServerConfig, crypto::ring};

use crate::sync::{Error, ErrorKind, Result};

/// The files of a certificate and of its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those that lead to its root.
    pub cert: PathBuf,
    /// Its private key, not encrypted: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// What a server needs to speak TLS.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The DNS names in the certificate.
    pub(crate) names: Vec<String>,
    /// Whether every user of this machine can read the key.
    pub(crate) key_is_open: bool,
}

impl Tls {
    pub(crate) fn read(files: &TlsFiles) -> Result<Tls> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
            .and_then(Iterator::collect)
            .map_err(|e| unreadable("certificate", &files.cert, &e))?;
        let Some(first) = chain.first() else {
            return Err(unreadable("certificate", &files.cert, &PemError::NoItemsFound));
        };
        let damaged = |e: &dyn std::fmt::Display| refused(format!("the certificate cannot be used: {e}"), &files.cert);
        let names = webpki::EndEntityCert::try_from(first)
            .map_err(|e| damaged(&e))?
            .valid_dns_names()
            .map(str::to_owned)
            .collect();
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| unreadable("private key", &files.key, &e))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| damaged(&e))?
            .with_no_client_auth()
            .with_single_cert(chain, key);
        let mut config = config.map_err(|e| match e {
            TlsError::InconsistentKeys(_) => {
                refused("the private key does not belong to the certificate".to_owned(), &files.key)
                    .hint("name the key with which that certificate was made (--tls-key)")
            }
            e => refused(format!("the private key cannot be used: {e}"), &files.key),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), names, key_is_open: is_open(&files.key) })
    }
}

fn refused(what: String, file: &Path) -> Error {
    Error::new(ErrorKind::Usage, format!("{what}: {}; nothing is served", file.display()))
}

fn unreadable(what: &str, file: &Path, error: &PemError) -> Error {
    match error {
        PemError::Io(e) => refused(format!("the file of the {what} cannot be read: {e}"), file),
        PemError::NoItemsFound => refused(format!("there is no {what} in PEM form in the file"), file)
            .hint("such a file has a line that begins with -----BEGIN; an encrypted key must be decrypted first"),
        e => refused(format!("the file of the {what} is damaged: {e}"), file),
    }
}

#[cfg(unix)]
fn is_open(key: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    key.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}
