//! The login phase (RFC 7143 section 6): who connects to what, and how.

use std::{io, mem, str};

use super::{
    pdu::{CONTINUE, Header, LOGIN, LOGIN_RESPONSE, Numbered, Pdu, Sender, malformed},
    target::{Registry, Served},
};

/// Bytes of data in one PDU this target takes, and the longest burst: QEMU's largest WRITE with room to
/// spare.
pub const OUR_DATA_SEGMENT: usize = 1 << 20;
/// Key-value text of one login or text request, over all its PDUs.
pub const TEXT_LIMIT: usize = 16 << 10;
/// Commands an initiator may have outstanding.
pub const QUEUE_DEPTH: u32 = 32;

/// Exchanges a login may take.
const ROUNDS: usize = 16;
/// The operational stage and the full feature phase, in CSG and NSG.
const STAGES: [u8; 3] = [0, 1, 3];
const FULL_FEATURE: u8 = 3;

/// What was agreed.
pub struct Parameters {
    /// Bytes of data in one PDU the initiator takes.
    pub data_segment: usize,
    pub first_burst: usize,
    pub max_burst: usize,
    pub immediate_data: bool,
}

impl Default for Parameters {
    /// RFC 7143 section 13.
    fn default() -> Self {
        Self {
            data_segment: 8192,
            first_burst: 65536,
            max_burst: 262_144,
            immediate_data: true,
        }
    }
}

/// A connection in full feature phase.
pub struct Login {
    pub parameters: Parameters,
    /// The drive; none in a discovery session.
    pub served: Option<Served>,
    /// Names the session for reinstatement: initiator name and session identifier.
    pub identity: Vec<u8>,
    /// The first command number to expect.
    pub command_number: u32,
}

/// Status class and detail (RFC 7143 section 11.13.5).
struct Refusal(u8, u8);

const AUTHENTICATION_FAILED: Refusal = Refusal(2, 1);
const TARGET_NOT_FOUND: Refusal = Refusal(2, 3);
const UNSUPPORTED_VERSION: Refusal = Refusal(2, 5);
const MISSING_PARAMETER: Refusal = Refusal(2, 7);
const SESSION_TYPE_NOT_SUPPORTED: Refusal = Refusal(2, 9);
const SESSION_DOES_NOT_EXIST: Refusal = Refusal(2, 10);
const INVALID_DURING_LOGIN: Refusal = Refusal(2, 11);

/// Splits `key=value` pairs, each ended by a NUL.
pub fn pairs(text: &[u8]) -> io::Result<Vec<(&str, &str)>> {
    let text = str::from_utf8(text).map_err(|_| malformed("text is not UTF-8"))?;
    let items = text.split('\0').filter(|item| !item.is_empty());
    items
        .map(|item| item.split_once('=').ok_or(malformed("text without a key")))
        .collect()
}

/// Appends a `key=value` pair.
pub fn put_pair(text: &mut Vec<u8>, key: &str, value: &str) {
    text.extend_from_slice(format!("{key}={value}\0").as_bytes());
}

/// The offers of one session so far.
#[derive(Default)]
struct Offers {
    parameters: Parameters,
    initiator: Option<String>,
    target: Option<String>,
    discovery: bool,
    /// Keys this target declares by itself, once each.
    declared: [bool; 2],
}

impl Offers {
    /// Answers every key of one request.
    fn answer(&mut self, text: &[u8]) -> io::Result<Result<Vec<u8>, Refusal>> {
        let mut reply = Vec::new();
        for (key, value) in pairs(text)? {
            let lists_none = value.split(',').any(|choice| choice == "None");
            let number = || value.parse::<usize>().map_err(|_| malformed("not a number"));
            let bounded = |number: usize| number.clamp(512, OUR_DATA_SEGMENT);
            let answer = match key {
                "InitiatorName" => {
                    self.initiator = Some(value.into());
                    continue;
                }
                "TargetName" => {
                    self.target = Some(value.into());
                    continue;
                }
                "SessionType" => {
                    self.discovery = match value {
                        "Discovery" => true,
                        "Normal" => false,
                        _ => return Ok(Err(SESSION_TYPE_NOT_SUPPORTED)),
                    };
                    continue;
                }
                "InitiatorAlias" => continue,
                "MaxRecvDataSegmentLength" => {
                    self.parameters.data_segment = bounded(number()?);
                    continue;
                }
                "AuthMethod" if lists_none => "None".into(),
                "AuthMethod" => return Ok(Err(AUTHENTICATION_FAILED)),
                "HeaderDigest" | "DataDigest" if lists_none => "None".into(),
                "HeaderDigest" | "DataDigest" => "Reject".into(),
                "InitialR2T" | "DataPDUInOrder" | "DataSequenceInOrder" => "Yes".into(),
                "ImmediateData" => {
                    self.parameters.immediate_data = value == "Yes";
                    value.into()
                }
                "FirstBurstLength" => {
                    self.parameters.first_burst = bounded(number()?);
                    self.parameters.first_burst.to_string()
                }
                "MaxBurstLength" => {
                    self.parameters.max_burst = bounded(number()?);
                    self.parameters.max_burst.to_string()
                }
                "MaxConnections" | "MaxOutstandingR2T" => "1".into(),
                "ErrorRecoveryLevel" | "DefaultTime2Retain" => "0".into(),
                "DefaultTime2Wait" => number()?.to_string(),
                "IFMarker" | "OFMarker" => "No".into(),
                "IFMarkInt" | "OFMarkInt" => "Irrelevant".into(),
                _ => "NotUnderstood".into(),
            };
            put_pair(&mut reply, key, &answer);
        }
        Ok(Ok(reply))
    }
}

/// Receives requests until the full feature phase; `None` when the login was refused or given up.
pub fn login(
    stream: &mut impl io::Read,
    sender: &mut Sender,
    registry: &Registry,
) -> io::Result<Option<Login>> {
    let mut offers = Offers::default();
    let mut text = Vec::new();
    for _ in 0..ROUNDS {
        let Some(pdu) = Pdu::receive(stream, TEXT_LIMIT)? else {
            return Ok(None);
        };
        let window = (
            pdu.command_number(),
            pdu.command_number().wrapping_add(QUEUE_DEPTH - 1),
        );
        let response =
            |flags: u8| Header::new(LOGIN_RESPONSE, flags, pdu.task_tag()).field(8, &pdu.field::<6>(8));
        text.extend_from_slice(&pdu.data);
        let outcome = if pdu.opcode() != LOGIN {
            Err(INVALID_DURING_LOGIN)
        } else if pdu.byte(3) > 0 {
            Err(UNSUPPORTED_VERSION)
        } else if pdu.field::<2>(14) != [0, 0] {
            Err(SESSION_DOES_NOT_EXIST) // one connection per session: none to be added
        } else if text.len() > TEXT_LIMIT {
            return Err(malformed("login text too long"));
        } else if pdu.flags() & CONTINUE != 0 {
            sender.send(response(pdu.flags() & 0x0C), &[], Numbered::Status, window)?;
            continue;
        } else {
            step(&pdu, &mut offers, &text, registry)?
        };
        text.clear();
        let (served, reply) = match outcome {
            Ok(answer) => answer,
            Err(Refusal(class, detail)) => {
                let header = response(pdu.flags() & 0x0F).byte(36, class).byte(37, detail);
                sender.send(header, &[], Numbered::Status, window)?;
                return Ok(None);
            }
        };
        let done = pdu.is_final() && pdu.flags() & 3 == FULL_FEATURE;
        let session = if done {
            registry.next_session().to_be_bytes()
        } else {
            [0, 0]
        };
        // CSG, T and NSG are echoed: this target is ready to move on whenever the initiator is.
        let flags = if pdu.is_final() {
            pdu.flags() & 0x8F
        } else {
            pdu.flags() & 0x0C
        };
        sender.send(
            response(flags).field(14, &session),
            &reply,
            Numbered::Status,
            window,
        )?;
        if done {
            let name = offers.initiator.unwrap_or_default();
            let identity = [name.as_bytes(), &pdu.field::<6>(8)].concat();
            let command_number = pdu.command_number();
            return Ok(Some(Login {
                parameters: offers.parameters,
                served,
                identity,
                command_number,
            }));
        }
    }
    Err(malformed("login without end"))
}

type Answer = (Option<Served>, Vec<u8>);

/// Handles one complete request.
fn step(
    pdu: &Pdu,
    offers: &mut Offers,
    text: &[u8],
    registry: &Registry,
) -> io::Result<Result<Answer, Refusal>> {
    let (current, next) = (pdu.flags() >> 2 & 3, pdu.flags() & 3);
    if !STAGES.contains(&current) || current == FULL_FEATURE || (pdu.is_final() && next <= current) {
        return Ok(Err(INVALID_DURING_LOGIN));
    }
    let mut reply = match offers.answer(text)? {
        Ok(reply) => reply,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if offers.initiator.is_none() {
        return Ok(Err(MISSING_PARAMETER));
    }
    let served = match &offers.target {
        _ if offers.discovery => None,
        None => return Ok(Err(MISSING_PARAMETER)),
        Some(name) => match registry.find(name) {
            None => return Ok(Err(TARGET_NOT_FOUND)),
            found => found,
        },
    };
    let [portal_group, data_segment] = &mut offers.declared;
    if served.is_some() && !mem::replace(portal_group, true) {
        put_pair(&mut reply, "TargetPortalGroupTag", "1");
    }
    if (current == 1 || next == FULL_FEATURE) && !mem::replace(data_segment, true) {
        put_pair(
            &mut reply,
            "MaxRecvDataSegmentLength",
            &OUR_DATA_SEGMENT.to_string(),
        );
    }
    Ok(Ok((served, reply)))
}
