//! The headers of the ECR API as an AWS SDK sends them, with a valid signature.

use std::fmt::Write;

use sha2::{Digest, Sha256};

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const DAY: &str = "20260101";
const TIME: &str = "20260101T000000Z";
const REGION: &str = "us-east-1";
const SERVICE: &str = "ecr";
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const BLOCK_BYTES: usize = 64;

/// The user agent of a current SDK.
const USER_AGENT: &str = "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1.0-32-amd64 md/arch#x86_64 \
     lang/python#3.11.2 md/pyimpl#CPython m/Z,D,b cfg/retry-mode#legacy Botocore/1.44.5";

/// The headers of a request, except the length of its body.
pub(crate) fn headers(target: &str, host: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let hash = hexadecimal(&Sha256::digest(body));
    let canonical = format!(
        "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\nx-amz-date:{TIME}\nx-amz-target:{target}\n\n{SIGNED}\n{hash}"
    );
    let scope = format!("{DAY}/{REGION}/{SERVICE}/aws4_request");
    let canonical_hash = hexadecimal(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{TIME}\n{scope}\n{canonical_hash}");
    let signature = hexadecimal(&hmac(&signing_key(), to_sign.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={SIGNED}, Signature={signature}"
    );
    vec![
        ("X-Amz-Target", target.to_owned()),
        ("Content-Type", CONTENT_TYPE.to_owned()),
        ("User-Agent", USER_AGENT.to_owned()),
        ("X-Amz-Date", TIME.to_owned()),
        ("Authorization", authorization),
        ("amz-sdk-invocation-id", invocation(&signature)),
        ("amz-sdk-request", "attempt=1".to_owned()),
        ("Accept-Encoding", "identity".to_owned()),
    ]
}

/// An ID in the form of a UUID, different for each request.
fn invocation(signature: &str) -> String {
    let part = |range| signature.get(range).unwrap_or_default();
    let [first, second, third] = [part(0..8), part(8..12), part(13..16)];
    let [fourth, fifth] = [part(17..20), part(20..32)];
    format!("{first}-{second}-4{third}-a{fourth}-{fifth}")
}

fn signing_key() -> Vec<u8> {
    let first = format!("AWS4{SECRET}").into_bytes();
    let parts = [DAY, REGION, SERVICE, "aws4_request"];
    parts
        .iter()
        .fold(first, |key, part| hmac(&key, part.as_bytes()).to_vec())
}

/// HMAC-SHA256, for keys that are not longer than a block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK_BYTES];
        for (byte, of_key) in block.iter_mut().zip(key) {
            *byte ^= of_key;
        }
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message);
    let outer = Sha256::new().chain_update(padded(0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_authenticated_as_the_standard_says() {
        // The second test case of RFC 4231.
        assert_eq!(
            hexadecimal(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn headers_have_the_form_of_those_of_an_sdk() {
        let headers = headers(
            "AmazonEC2ContainerRegistry_V20150921.ListImages",
            "127.0.0.1",
            b"{}",
        );
        let value = |name: &str| {
            let found = headers.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        assert_eq!(value("Authorization").len(), 217);
        let id = value("amz-sdk-invocation-id");
        let parts = id.split('-').map(str::len).collect::<Vec<_>>();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
    }
}
