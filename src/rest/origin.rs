//! In whose name a request comes: which pages of a browser may not ask.
//!
//! A page somewhere on the web could make the browser of somebody who has signed in send requests here, also by a name that it
//! turns to this machine (DNS rebinding). So a request must name this machine in `Host`, and where it names an `Origin`, the same
//! there. A browser also says by `Sec-Fetch-Site` that a page of another server asks.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, StatusCode, Uri};

use crate::rest::problem::Problem;

/// By what name the server is asked.
#[derive(Clone, Debug)]
pub(crate) struct OwnNames {
    pub(crate) bound: SocketAddr,
    /// The names in the certificate; None: it speaks HTTP without TLS.
    pub(crate) certified: Option<Vec<String>>,
}

impl OwnNames {
    pub(crate) fn scheme(&self) -> &'static str {
        if self.certified.is_some() { "https" } else { "http" }
    }

    /// Refuses a request that does not name this server, or comes from a page of another.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let (scheme, port) = (self.scheme(), self.bound.port());
        let malformed = |what: String| Problem::new(StatusCode::BAD_REQUEST, format!("{what}; nothing was changed"));
        let forbidden = |what: String| {
            Problem::new(StatusCode::FORBIDDEN, format!("{what}; nothing was changed"))
                .hint(format!("ask {scheme}://localhost:{port} or {scheme}://127.0.0.1:{port}"))
        };
        for name in ["host", "origin", "sec-fetch-site", "authorization"] {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(malformed(format!("the request has two headers {name}")));
            }
        }
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = text("host").unwrap_or_default();
        // A request target in absolute form names a host, too.
        if uri.authority().is_some_and(|named| !named.as_str().eq_ignore_ascii_case(host)) {
            return Err(malformed("the request names two hosts".to_owned()));
        }
        if !self.names_us(host) {
            return Err(forbidden(format!("`{host}` is not this server's name")));
        }
        // A page of this server asks it by the name by which it was asked for.
        if let Some(origin) = text("origin") {
            let from = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
            if !from.is_some_and(|from| from.eq_ignore_ascii_case(host)) {
                return Err(forbidden(format!("a page of {origin} may not ask here")));
            }
        }
        // Browsers send it also where they name no origin. `none`: somebody has typed the address.
        match text("sec-fetch-site") {
            None | Some("same-origin" | "none") => Ok(()),
            Some(site) => Err(forbidden(format!("a page of another server may not ask here ({site})"))),
        }
    }

    /// `localhost`, a loopback address, or the address that was bound, with the port; with TLS also a name in the certificate.
    /// Without TLS any other name could be anybody's.
    fn names_us(&self, host: &str) -> bool {
        let usual = if self.certified.is_some() { 443 } else { 80 };
        let (name, port) = match host.rsplit_once(':') {
            // The colons of `[::1]` are the address's.
            Some((name, port)) if !port.ends_with(']') => (name, port.to_owned()),
            _ => (host, usual.to_string()),
        };
        if port != self.bound.port().to_string() {
            return false;
        }
        let bound = self.bound.ip();
        let address = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name).parse::<IpAddr>();
        match address {
            Ok(address) if bound.is_loopback() => {
                address == bound || ["127.0.0.1", "::1"].contains(&address.to_string().as_str())
            }
            // Bound to all addresses: any of them, but no name.
            Ok(address) => bound.is_unspecified() || address == bound || address.is_loopback(),
            Err(_) if name.eq_ignore_ascii_case("localhost") => true,
            Err(_) => self.certified.iter().flatten().any(|certified| covers(certified, name)),
        }
    }
}

/// Whether a name of a certificate covers a name; `*.` stands for one label.
fn covers(certified: &str, name: &str) -> bool {
    match certified.strip_prefix("*.") {
        Some(domain) => {
            name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain))
        }
        None => certified.eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bound: &str, certified: Option<&[&str]>) -> OwnNames {
        let certified = certified.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        OwnNames { bound: bound.parse().unwrap(), certified }
    }

    #[test]
    fn only_this_machine_is_named() {
        let here = at("127.0.0.1:52773", None);
        for host in ["localhost:52773", "LOCALHOST:52773", "127.0.0.1:52773", "[::1]:52773"] {
            assert!(here.names_us(host), "{host}");
        }
        for host in [
            "localhost",
            "localhost:80",
            "evil.example:52773",
            "localhost.evil.example:52773",
            "127.0.0.2:52773",
            "",
            ":52773",
            "[::1]",
        ] {
            assert!(!here.names_us(host), "{host}");
        }
        assert!(at("127.0.0.2:9", None).names_us("127.0.0.2:9"));
        let everywhere = at("0.0.0.0:9", None);
        assert!(everywhere.names_us("192.0.2.7:9") && everywhere.names_us("localhost:9"));
        assert!(!everywhere.names_us("evil.example:9"));
        let one = at("192.0.2.7:9", None);
        assert!(one.names_us("192.0.2.7:9") && !one.names_us("192.0.2.8:9"));
        assert!(at("127.0.0.1:80", None).names_us("localhost") && at("[::1]:443", Some(&[])).names_us("[::1]"));
    }

    #[test]
    fn a_certificate_names_us_too() {
        let served = at("0.0.0.0:9", Some(&["sync.example", "*.lab.example"]));
        for host in ["sync.example:9", "Sync.Example:9", "a.lab.example:9", "192.0.2.7:9"] {
            assert!(served.names_us(host), "{host}");
        }
        for host in ["evil.example:9", "lab.example:9", ".lab.example:9", "a.b.lab.example:9", "sync.example:10"] {
            assert!(!served.names_us(host), "{host}");
        }
    }

    #[test]
    fn a_page_asks_by_the_name_by_which_it_was_asked_for() {
        let check = |served: &OwnNames, uri: &str, named: &[(&'static str, &str)]| {
            let headers: HeaderMap =
                named.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            served.check(&uri.parse().unwrap(), &headers).err().map(|problem| problem.status)
        };
        let open = at("0.0.0.0:9", None);
        assert_eq!(check(&open, "/", &[("host", "192.0.2.7:9"), ("origin", "http://192.0.2.7:9")]), None);
        assert_eq!(check(&open, "/", &[("host", "192.0.2.7:9"), ("origin", "http://6.6.6.6:9")]), Some(403));
        assert_eq!(check(&open, "/", &[("host", "192.0.2.7:9"), ("origin", "https://192.0.2.7:9")]), Some(403));
        assert_eq!(check(&open, "/", &[("host", "192.0.2.7:9"), ("sec-fetch-site", "odd")]), Some(403));
        assert_eq!(check(&open, "http://evil.example/", &[("host", "192.0.2.7:9")]), Some(400));
        assert_eq!(check(&open, "http://192.0.2.7:9/", &[("host", "192.0.2.7:9")]), None);
        let tls = at("0.0.0.0:9", Some(&["sync.example"]));
        assert_eq!(check(&tls, "/", &[("host", "sync.example:9"), ("origin", "https://sync.example:9")]), None);
        assert_eq!(check(&tls, "/", &[("host", "sync.example:9"), ("origin", "http://sync.example:9")]), Some(403));
    }
}
