use serde_json::Value;

use super::*;

const AUDIENCE: &str = "https://monitor.azure.com";
const TENANT: &str = "11111111-2222-4333-8444-555555555555";
const FORM: &str = "client_id=66666666-7777-4888-9999-000000000000&scope=https%3A%2F%2Fmonitor.azure.com%2F.default&client_secret=simulated-client-secret&grant_type=client_credentials";

fn entra() -> Entra {
    Entra::new(Settings::default(), Tokens::default())
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

fn post(entra: &Entra, tenant: &str, form: &str) -> (u16, Value) {
    let request = Request::post(format!("https://localhost:1/{tenant}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form.to_owned()))
        .expect("a request");
    read(&entra.handle(&request, now()))
}

fn get(entra: &Entra, path: &str, header: (&str, &str)) -> (u16, Value) {
    let request = Request::get(format!("https://localhost:1{path}")).header(header.0, header.1).body(Bytes::new());
    read(&entra.handle(&request.expect("a request"), now()))
}

fn read(reply: &Reply) -> (u16, Value) {
    (reply.status().as_u16(), serde_json::from_slice(reply.response.body()).expect("JSON"))
}

#[test]
fn a_secret_gets_a_token() {
    let entra = entra();
    for scope in ["%2F.default", "%2F%2F.default"] {
        let (status, body) = post(&entra, TENANT, &FORM.replace("%2F.default", scope));
        assert_eq!((status, &body["token_type"], &body["expires_in"]), (200, &"Bearer".into(), &3599.into()));
        let token = body["access_token"].as_str().expect("a token");
        assert_eq!(entra.tokens.check(token, AUDIENCE, now()), Ok(()));
    }
}

/// A form with an assertion in the place of the secret.
fn asserted(assertion: &str) -> String {
    let with = format!(
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
    );
    FORM.replace("client_secret=simulated-client-secret", &with)
}

fn code(answer: &(u16, Value)) -> u64 {
    answer.1["error_codes"][0].as_u64().unwrap_or_default()
}

#[test]
fn an_assertion_must_be_signed_by_a_registered_key_at_its_time_and_once() {
    let (entra, certificate) = (entra(), ApplicationCertificate::new().expect("a certificate"));
    let endpoint = format!("https://localhost:1/{TENANT}/oauth2/v2.0/token");
    let client_id = "66666666-7777-4888-9999-000000000000";
    let sign = |claim: &str, value: Value| {
        let mut claims = serde_json::json!({
            "aud": endpoint, "iss": client_id, "sub": client_id, "jti": "once", "nbf": 1_799_999_900, "exp": 1_800_000_300,
        });
        claims[claim] = value;
        certificate.sign(&claims)
    };
    let good = sign("jti", "the first".into());
    assert_eq!(code(&post(&entra, TENANT, &asserted(&good))), 700_027, "the key isn't registered");
    entra.keys.register(&certificate);
    assert_eq!(post(&entra, TENANT, &asserted(&good)).0, 200);
    assert_eq!(code(&post(&entra, TENANT, &asserted(&good))), 50_013, "a second time");
    let forged = format!("{}.{}", good.rsplit_once('.').expect("parts").0, "AAAA");
    assert_eq!(code(&post(&entra, TENANT, &asserted(&forged))), 700_027);
    for (claim, value, expected) in [
        ("aud", Value::from("https://elsewhere"), 700_023),
        ("sub", "another".into(), 700_021),
        ("exp", 1_799_999_000.into(), 700_024),
        ("nbf", 1_800_000_900.into(), 700_024),
        ("jti", "".into(), 50_013),
    ] {
        assert_eq!(code(&post(&entra, TENANT, &asserted(&sign(claim, value)))), expected, "{claim}");
    }
    for nonsense in ["a.b.c", "a.b", "e30.e30.e30", "...."] {
        assert_eq!(post(&entra, TENANT, &asserted(nonsense)).0, 401, "{nonsense}");
    }
}

#[test]
fn a_platforms_token_must_be_of_a_trusted_issuer_about_a_trusted_subject() {
    let (entra, hour) = (entra(), Duration::from_hours(1));
    let [issuer, other] =
        ["https://cluster.example", "https://other.example"].map(|url| Issuer::new(url).expect("a key"));
    let subject = "system:serviceaccount:default:nordpass-sentinel";
    entra.keys.trust(&issuer, subject);
    let good = issuer.token(subject, now(), hour);
    for _ in 0..2 {
        assert_eq!(post(&entra, TENANT, &asserted(&good)).0, 200, "it may be used again");
    }
    let forged = format!("{}.{}", good.rsplit_once('.').expect("parts").0, "AAAA");
    let early = now().checked_sub(Duration::from_hours(2)).expect("a time");
    for (token, expected) in [
        (other.token(subject, now(), hour), 700_211),
        (issuer.token("system:serviceaccount:default:other", now(), hour), 700_213),
        (issuer.token_for("https://kubernetes.default.svc", subject, now(), hour), 700_212),
        (issuer.token(subject, early, hour), 700_024),
        (forged, 50_013),
    ] {
        assert_eq!(code(&post(&entra, TENANT, &asserted(&token))), expected);
    }
}

#[test]
fn a_secret_can_expire() {
    let entra = entra();
    entra.expire_secret();
    assert_eq!(code(&post(&entra, TENANT, FORM)), 7_000_222);
    entra.set_secret("renewed");
    assert_eq!(post(&entra, TENANT, &FORM.replace("simulated-client-secret", "renewed")).0, 200);
}

#[test]
fn each_refusal_has_azures_number() {
    let entra = entra();
    for (from, to, status, code) in [
        ("simulated-client-secret", "wrong", 401, 7_000_215),
        ("&client_secret=simulated-client-secret", "", 401, 7_000_218),
        ("66666666", "77777777", 400, 700_016),
        ("client_credentials", "password", 400, 70_003),
        ("%2F.default", "", 400, 1_002_012),
        ("monitor.azure.com", "vault.azure.net", 400, 500_011),
        ("&grant_type=client_credentials", "", 400, 900_144),
    ] {
        let (got, body) = post(&entra, TENANT, &FORM.replacen(from, to, 1));
        assert_eq!((got, &body["error_codes"]), (status, &serde_json::json!([code])), "{from} -> {to}");
        assert!(body["error_description"].as_str().is_some_and(|text| text.starts_with(&format!("AADSTS{code}: "))));
    }
    assert_eq!(post(&entra, "another", FORM).1["error_codes"], serde_json::json!([90_002]));
    entra.set_secret("renewed");
    assert_eq!(post(&entra, TENANT, FORM).0, 401);
    assert_eq!(post(&entra, TENANT, &FORM.replace("simulated-client-secret", "renewed")).0, 200);
}

#[test]
fn discovery_names_its_own_address() {
    let path = format!("/{TENANT}/v2.0/.well-known/openid-configuration");
    let (status, body) = get(&entra(), &path, ("accept", "*/*"));
    assert_eq!(status, 200);
    assert_eq!(body["token_endpoint"], format!("https://localhost:1/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(get(&entra(), "/other/v2.0/.well-known/openid-configuration", ("accept", "*/*")).0, 400);
    assert_eq!(get(&entra(), "/common/discovery/instance?api-version=1.1", ("accept", "*/*")).0, 200);
    assert_eq!(get(&entra(), "/elsewhere", ("accept", "*/*")).0, 404);
}

#[test]
fn app_service_identity() {
    let entra = entra();
    let header = ("x-identity-header", "simulated-identity-header");
    let path = "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmonitor.azure.com";
    let (status, body) = get(&entra, path, header);
    assert_eq!(status, 200);
    assert_eq!(body["expires_on"], "1800003599", "a string");
    assert!(body.get("expires_in").is_none());
    let token = body["access_token"].as_str().expect("a token");
    assert_eq!(entra.tokens.check(token, AUDIENCE, now()), Ok(()));

    let ours = format!("{path}&client_id=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
    assert_eq!(get(&entra, &ours, header).0, 200);
    assert_eq!(get(&entra, path, ("x-identity-header", "wrong")).0, 401);
    assert_eq!(get(&entra, &format!("{path}&object_id=other"), header).0, 400);
    assert_eq!(get(&entra, &path.replace("2019-08-01", "2017-09-01"), header).0, 400);
    assert_eq!(get(&entra, &format!("{path}%2F.default"), header).0, 400);
    let none = Entra::new(Settings { system_identity: false, ..Settings::default() }, Tokens::default());
    assert_eq!(get(&none, path, header).0, 400);
}

#[test]
fn virtual_machine_identity() {
    let entra = entra();
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmonitor.azure.com";
    let (status, body) = get(&entra, path, ("metadata", "true"));
    assert_eq!((status, &body["expires_in"], &body["expires_on"]), (200, &"3599".into(), &"1800003599".into()));
    let (status, body) = get(&entra, path, ("metadata", "True"));
    assert_eq!((status, &body["error"]), (400, &"bad_request_102".into()));
    assert_eq!(get(&entra, &path.replace("2018-02-01", "2016-01-01"), ("metadata", "true")).0, 400);
    assert_eq!(get(&entra, &format!("{path}&client_id=other"), ("metadata", "true")).1["error"], "invalid_request");
}

#[test]
fn endpoints_are_told_apart() {
    let entra = entra();
    assert_eq!(entra.endpoint(IDENTITY_PATH), Endpoint::Identity);
    assert_eq!(entra.endpoint(IMDS_PATH), Endpoint::Identity);
    assert_eq!(entra.endpoint(&format!("/{TENANT}/oauth2/v2.0/token")), Endpoint::Entra);
}
