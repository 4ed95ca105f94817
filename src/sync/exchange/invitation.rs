//! Invitations: who a node is, in a file that it signs, to be known by it elsewhere (`trust.rs`).
//!
//! Two lines of text. The first is JSON: `objsync` (always `invitation`), `format` (1), `guid`, `name`, `role`, the public `key`, and the
//! `lineage`, `[GUID, commit]`, nearest first. The second is the signature: Ed25519 over the bytes `objsync invitation`, a zero byte, and
//! the first line without its end. It shows that nothing was changed on the way by accident; who gave the file must be known
//! otherwise.

use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::signature::{PublicKey, Signature, Statement};
use crate::sync::node::{Identity, Node, NodeInfo, Role};
use crate::sync::part_file;
use crate::words::{quoted, quoted_path};

const FORMAT: u64 = 1;

/// No invitation is longer: a node that is a copy of a copy, a thousand times.
const LONGEST: u64 = 1 << 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLine {
    objsync: String,
    format: u64,
    guid: String,
    name: String,
    role: String,
    key: String,
    lineage: Vec<(String, u64)>,
}

impl Node {
    /// Writes an invitation: who this node is and by which key it signs. Nothing may be at `file` yet.
    pub fn write_invitation(&self, file: &Path) -> Result<()> {
        let (signing, Identity { info, lineage, .. }) = (self.signing()?, self.identity()?);
        let line = FirstLine {
            objsync: "invitation".to_owned(),
            format: FORMAT,
            guid: info.guid.to_string(),
            name: info.name,
            role: info.role.name().to_owned(),
            key: signing.public().to_string(),
            lineage: lineage.iter().map(|(node, number)| (node.to_string(), *number)).collect(),
        };
        let line = serde_json::to_string(&line).map_err(|e| Error::storage(e.to_string()))?;
        let signature = signing.sign(&Statement::Invitation(line.as_bytes()));
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = part_file::begin(folder).and_then(|mut part| {
            write!(part, "{line}\n{signature}\n")?;
            part.as_file().sync_all()?;
            part.persist_noclobber(file).map_err(|e| e.error)
        });
        written.map(drop).map_err(|e| {
            let what = match e.kind() {
                std::io::ErrorKind::AlreadyExists => "the file exists already and was left as it is".to_owned(),
                kind => format!("the invitation cannot be written, nothing was changed: {kind}"),
            };
            Error::storage(format!("{what}: {}", file.display())).hint("name another file")
        })
    }

    /// Knows the node of an invitation by its key from now on, as a peer: sets can be prepared for it, and are taken from it. Refused
    /// where that node is known by another key.
    pub fn accept_invitation(&mut self, file: &Path) -> Result<Identity> {
        let invited = read(file).map_err(|e| e.while_doing(file.display()))?;
        let (guid, name, us) = (invited.info.guid, &invited.info.name, self.info.name.clone());
        if guid == self.info.guid {
            let what = format!("the invitation is {us}'s own; nothing was changed");
            return Err(Error::usage(what).hint("accept it at the other node, and here the one that it writes"));
        }
        self.check_not_retired(&invited.info)?;
        if let (Some(known), Some(key)) = (self.public_key(guid)?, invited.key)
            && known != key
        {
            let what = format!(
                "the invitation says that {name} has the key {key}, but {us} knows it by {known}: somebody else made it, or {name} has a new key; nothing was changed"
            );
            return Err(Error::refused(Refusal::Signature, what).hint(format!(
                "ask its owner what `objsync keys` says there; if it is so: objsync keys trust {guid} {key} --node {}",
                quoted(&us)
            )));
        }
        self.write(|node| node.note_peer(&invited))?;
        Ok(invited)
    }
}

fn read(file: &Path) -> Result<Identity> {
    let none = |what: &str| {
        Error::usage(format!("{what}; nothing was changed")).hint(format!(
            "an invitation is a file that `objsync keys invite` wrote at the other node; have {} written again there",
            quoted_path(file)
        ))
    };
    let ordinary = file.metadata().and_then(|found| match found.is_file() {
        true => std::fs::File::open(file),
        false => Err(std::io::Error::other("it is no ordinary file")),
    });
    let mut text = String::new();
    ordinary
        .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        .map_err(|e| none(&format!("the invitation cannot be read ({e})")))?;
    let damaged = || none("the file is no invitation, or is damaged");
    let (line, signature) = text.strip_suffix('\n').and_then(|text| text.split_once('\n')).ok_or_else(damaged)?;
    let said: FirstLine = serde_json::from_str(line).map_err(|_| damaged())?;
    if said.objsync != "invitation" {
        return Err(damaged());
    }
    if said.format > FORMAT {
        return Err(none("the invitation was written by a later version of objsync"));
    }
    let (key, signature): (PublicKey, Signature) =
        (said.key.parse().map_err(|_| damaged())?, signature.parse().map_err(|_| damaged())?);
    if !key.has_signed(&Statement::Invitation(line.as_bytes()), &signature) {
        return Err(damaged());
    }
    NodeInfo::check_name(&said.name).map_err(|_| damaged())?;
    let guid = |text: &str| text.parse::<NodeId>().map_err(|_| damaged());
    let lineage = said.lineage.iter().map(|(node, number)| Ok((guid(node)?, *number))).collect::<Result<Vec<_>>>()?;
    let role = Role::parse(&said.role).ok_or_else(damaged)?;
    let info = NodeInfo { guid: guid(&said.guid)?, name: said.name, role };
    if lineage.iter().any(|(node, number)| *node == info.guid || *number >= i64::MAX as u64) {
        return Err(damaged());
    }
    Ok(Identity { info, lineage, key: Some(key) })
}
