//! Tokens of other libraries, and the table of wire §6.5.

use muster_usersig::{Claims, Expected, Rejection, SecretKey, UserSig, UserbufText, sign, verify};
use serde_json::Value;

use crate::tokens::{
    ROW_1, ROW_2, ROW_3, SDKAPPID, claims_of, json_of_token, row_3_claims, sample_key, unhex,
};

fn file() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testkit/vectors/usersig.json"
    );
    let text = std::fs::read_to_string(path).expect("the vectors are in the tree");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

fn entries<'a>(file: &'a Value, list: &str) -> &'a [Value] {
    let entries = file[list].as_array().expect(list);
    assert!(!entries.is_empty(), "no {list}");
    entries
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {value}"))
}

fn number(value: &Value, field: &str) -> u64 {
    value[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field} in {value}"))
}

/// The claims in the JSON of a token, read without the crate.
fn claims_of_json(json: &Value) -> Claims {
    Claims {
        identifier: text(json, "TLS.identifier").to_owned(),
        sdkappid: number(json, "TLS.sdkappid"),
        time_s: number(json, "TLS.time"),
        expire_s: number(json, "TLS.expire"),
        userbuf: json["TLS.userbuf"]
            .as_str()
            .map(|text| UserbufText::from_text(text.to_owned())),
    }
}

/// The signature the crate makes for these claims.
fn tls_sig_of(key: &SecretKey, claims: &Claims) -> String {
    let decoded = UserSig::decode(&sign(key, claims)).expect("what is signed can be read");
    assert_eq!(decoded.claims(), claims);
    decoded.tls_sig().to_owned()
}

#[test]
fn tokens_of_other_libraries_verify_and_sign_alike() {
    let file = file();
    let key = SecretKey::parse(text(&file, "key")).unwrap();
    for vector in entries(&file, "vectors") {
        let name = format!("{} {}", text(vector, "impl"), text(vector, "case"));
        let token = text(vector, "usersig");
        let claims = claims_of_json(&vector["json"]);
        assert_eq!(claims.identifier, text(vector, "identifier"), "{name}");
        assert_eq!(claims.sdkappid, number(vector, "sdkappid"), "{name}");
        assert_eq!(claims.time_s, number(vector, "time"), "{name}");
        assert_eq!(claims.expire_s, number(vector, "expire"), "{name}");
        assert_eq!(
            claims.userbuf.is_some(),
            vector["has_userbuf"] == true,
            "{name}"
        );

        let decoded = UserSig::decode(token).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded.claims(), &claims, "{name}");
        assert_eq!(
            decoded.tls_sig(),
            text(&vector["json"], "TLS.sig"),
            "{name}"
        );
        assert_eq!(
            decoded.claims().signed_text(),
            text(vector, "signed_string"),
            "{name}"
        );
        assert_eq!(tls_sig_of(&key, &claims), decoded.tls_sig(), "{name}");

        let expected = Expected {
            sdkappid: claims.sdkappid,
            identifier: &claims.identifier,
        };
        let keys = [key.clone()];
        let ended_at_s = claims.time_s + claims.expire_s;
        for now_s in [0, claims.time_s, ended_at_s] {
            let verified = verify(token, &expected, &keys, now_s).unwrap();
            assert_eq!(
                (&verified.claims, verified.key_index),
                (&claims, 0),
                "{name}"
            );
        }
        assert_eq!(
            verify(token, &expected, &keys, ended_at_s + 1),
            Err(Rejection::Expired {
                ended_at_s,
                now_s: ended_at_s + 1
            }),
            "{name}"
        );
    }
}

#[test]
fn bad_tokens_of_other_libraries_are_refused() {
    // Between the end of the expired one and that of all others.
    let now_s = 1_750_000_000;
    let file = file();
    let key = SecretKey::parse(text(&file, "key")).unwrap();
    for vector in entries(&file, "negative") {
        let name = text(vector, "name");
        let identifier = text(vector, "identifier");
        let expected = Expected {
            sdkappid: number(vector, "sdkappid"),
            identifier,
        };
        let rejection = verify(
            text(vector, "usersig"),
            &expected,
            std::slice::from_ref(&key),
            now_s,
        )
        .expect_err(name);
        let wanted = match vector["expect"].as_u64() {
            Some(code) => code,
            None if name == "standard_base64" => 70003,
            None => panic!("{name}: what to expect?"),
        };
        assert_eq!(code_of(&rejection), wanted, "{name}: {rejection}");
    }
}

/// The code a server answers with (wire §2, 12a to 12e).
fn code_of(rejection: &Rejection) -> u64 {
    match rejection {
        Rejection::Illegal(_) => 70003,
        Rejection::SdkAppId { .. } => 70014,
        Rejection::Identifier { .. } => 70013,
        Rejection::Signature => 70009,
        Rejection::Expired { .. } => 70001,
    }
}

#[test]
fn what_others_published_holds() {
    let file = file();
    let key = SecretKey::parse(text(&file, "key")).unwrap();
    for published in entries(&file, "published_by_others") {
        let Some(token) = published["usersig"].as_str() else {
            let claims = Claims {
                identifier: text(published, "identifier").to_owned(),
                sdkappid: number(published, "sdkappid"),
                time_s: number(published, "time"),
                expire_s: number(published, "expire"),
                userbuf: published["userbuf_b64"]
                    .as_str()
                    .map(|text| UserbufText::from_text(text.to_owned())),
            };
            assert_eq!(
                tls_sig_of(&key, &claims),
                text(published, "tls_sig_published")
            );
            continue;
        };
        let json = text(published, "json_raw");
        let claims = claims_of_json(&serde_json::from_str(json).unwrap());
        let expected = Expected {
            sdkappid: claims.sdkappid,
            identifier: &claims.identifier,
        };
        let verified = verify(token, &expected, std::slice::from_ref(&key), claims.time_s).unwrap();
        assert_eq!(verified.claims, claims);
        // These were printed by a library with our key order, so the whole JSON has to agree.
        assert_eq!(json_of_token(&sign(&key, &claims)), json);
    }
}

#[test]
fn the_table_of_the_specification_holds() {
    let userbuf = |bytes: &[u8]| Some(UserbufText::encode(bytes));
    let numeric = unhex("0000077869616f6a756e53724e000000271066413f00000000ff00000000");
    let named = unhex(
        "0100077869616f6a756e53724e000000000066413f00000000ff00000000000a31303030303030303430",
    );
    let (old, new, year) = (1_569_910_200, 1_700_000_000, 15_552_000);
    let rows = [
        (
            claims_of("0", old, year, None),
            "CpjuBdQs9ZwnuGAJR8onoOeI9fweX2vIMMY94iOJWJY=",
        ),
        (
            claims_of("0", old, year, userbuf(b"abc")),
            "bC3u5cuslSg8Ds7KY58mhSkTrxunrFu50dkdkCYH4i8=",
        ),
        (
            row_3_claims(),
            "qHcf25WaMD2z3oXqjzYATYyoAvZCaio0AmLYuFRH35s=",
        ),
        (
            claims_of("administrator", new, year, None),
            "JCzxanF8NTTXau4m+2h9wv7gYJnyNksm0xm1NEXU274=",
        ),
        (
            claims_of("xiaojun", new, year, None),
            "LvA7d/Iw7gSsnskvVzBDPOCCDbuNCw4GHwTC0bip+B4=",
        ),
        (
            claims_of("xiaojun", new, year, userbuf(&numeric)),
            "y9Avb5xwHgIgoABbGakLaE0xs+v/dLcIPegbWfcbRLI=",
        ),
        (
            claims_of("xiaojun", new, year, userbuf(&named)),
            "uupaOmIqiVUsVoCDvmakmGU86GEQBV0Ie6Q+9GFbowM=",
        ),
    ];
    for (row, (claims, tls_sig)) in rows.iter().enumerate() {
        assert_eq!(
            tls_sig_of(&sample_key(), claims),
            *tls_sig,
            "row {}",
            row + 1
        );
    }

    for (row, token) in [ROW_1, ROW_2, ROW_3].into_iter().enumerate() {
        let (claims, _) = &rows[row];
        let expected = Expected {
            sdkappid: SDKAPPID,
            identifier: &claims.identifier,
        };
        let verified = verify(token, &expected, &[sample_key()], claims.time_s).unwrap();
        assert_eq!(&verified.claims, claims, "row {}", row + 1);
    }
}
