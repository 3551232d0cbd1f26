//! Push notices of registries.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::{Story, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::sync::CONFIG_MAP;

const TOKEN: &str = "correct canary-5b1f9c battery";

/// A story whose operator takes notices from who knows [`TOKEN`].
async fn begin(name: &str) -> Story {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let token = format!("--webhook-token-file={}", token.display());
    Story::begin_with(name, &["--webhook-addr=127.0.0.1:0", &token]).await
}

/// Sends a request; the status of the answer, and its body.
async fn send(
    story: &Story,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> (u16, String) {
    let url = format!("http://{}{path}", story.operator().addresses.webhook.unwrap());
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.into()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What CNCF Distribution sends when a tag of `app` was pushed.
fn notice(story: &Story, tag: &str) -> Value {
    json!({"events": [{"action": "push", "target": {"repository": "app", "tag": tag},
        "request": {"host": story.registry.host()}}]})
}

/// The answer that others got a moment ago is not good enough, the clock does not move, and who
/// follows something else is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_brings_a_moved_tag_at_once() {
    let story = begin("notice").await;
    let old = story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.push("v1", &[("cm.yaml", "v1")]);
    for (name, reference) in [
        ("moving", json!({"tag": "latest"})),
        ("other", json!({"tag": "v1"})),
        ("pinned", json!({"digest": old})),
    ] {
        story.follow(name, json!({"ref": reference})).await;
        story.wait_ready("OCIRepository", name).await;
    }
    let new = story.push("latest", &[("cm.yaml", "new")]);
    story.registry.take_log();

    let body = notice(&story, "latest").to_string();
    let post = ("POST", "/hook");
    let guess = [("Authorization", "Bearer guess")];
    assert_eq!(send(&story, post, &guess, body.as_str()).await.0, 401);
    let token = format!("Bearer {TOKEN}");
    let token = [("Authorization", token.as_str())];
    assert_eq!(send(&story, post, &token, body).await, (202, String::new()));
    let revision = format!("latest@{new}");
    story
        .wait("OCIRepository", "moving", "the new revision", |source| {
            source["status"]["artifact"]["revision"] == revision
        })
        .await;
    let log = story.registry.take_log();
    let heads: Vec<_> = log.iter().filter(|line| line.starts_with("HEAD")).collect();
    assert_eq!(heads, ["HEAD /v2/app/manifests/latest 200"]);
    assert!(!log.iter().any(|line| line.contains("/v1 ") || line.contains(&old)), "{log:?}");
}

/// security.md, G3.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_knows_the_token_is_listened_to() {
    let story = begin("guarded").await;
    let ping = r#"{"zen":"Design for failure.","hook_id":1}"#;
    let signature = "sha256=cd0785bd7687b8cfa1b163f6991bb3777e873badbe757574b72247905ce08903";
    let token = format!("Bearer {TOKEN}");
    let bearer = [("Authorization", token.as_str())];
    let signed = [("X-Hub-Signature-256", signature)];
    let (hook, with_token) =
        (("POST", "/hook"), ("POST", "/hook/correct%20canary-5b1f9c%20battery"));
    for (request, headers, body, status) in [
        (hook, &bearer[..], ping, 202),
        (with_token, &[], ping, 202),
        (hook, &signed, ping, 202),
        (hook, &signed, r#"{"zen":"Design for success.","hook_id":1}"#, 401),
        (hook, &[("X-Hub-Signature-256", "sha256=")], ping, 401),
        (hook, &[], ping, 401),
        (hook, &[("Authorization", TOKEN)], ping, 401),
        (("POST", "/hook/guess"), &[], ping, 401),
        (("POST", "/hook/guess"), &[], "{", 401),
        (("POST", "/"), &bearer, ping, 404),
        (("GET", "/hook"), &bearer, "", 405),
        (hook, &bearer, "{", 400),
        (hook, &bearer, r#"{"hello":"world"}"#, 400),
    ] {
        let answer = send(&story, request, headers, body).await;
        assert_eq!(answer, (status, String::new()), "{request:?} {headers:?} {body}");
    }
    let many = notice(&story, "latest")["events"][0].clone();
    let many = json!({"events": vec![many; 101]}).to_string();
    assert_eq!(send(&story, hook, &bearer, many).await.0, 413);
    assert_eq!(send(&story, hook, &bearer, vec![b' '; 1024 * 1024 + 1]).await.0, 413);
    let url = format!("http://{}/metrics", story.operator().addresses.metrics);
    let metrics = String::from_utf8(story.http("GET", &url).await.1).unwrap();
    for (code, count) in [(202, 3), (400, 2), (401, 6), (413, 2)] {
        let series = format!("\nsluice_webhook_requests_total{{code=\"{code}\"}} {count}\n");
        assert!(metrics.contains(&series), "{code}: {metrics}");
    }
}

/// Begins a request whose body does not come, and gives the answer.
async fn dawdle(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /hook HTTP/1.1\r\nHost: hook\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: 9\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// security.md, G3: only so many bodies are read at once, and one that does not come ends with its
/// time.
#[tokio::test(flavor = "multi_thread")]
async fn senders_that_dawdle_are_sent_away() {
    let story = begin("dawdles").await;
    let address = story.operator().addresses.webhook.unwrap();
    let dawdlers: Vec<_> = (0..32).map(|_| tokio::spawn(dawdle(address))).collect();
    let token = format!("Bearer {TOKEN}");
    let answer = async || {
        let bearer = [("Authorization", token.as_str())];
        send(&story, ("POST", "/hook"), &bearer, r#"{"action":"ping"}"#).await.0
    };
    until("no more bodies are read", async || answer().await == 503).await;
    until("the senders are answered", async || {
        story.clock.advance(Duration::from_secs(10));
        dawdlers.iter().all(JoinHandle::is_finished)
    })
    .await;
    for dawdler in dawdlers {
        let answer = dawdler.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert_eq!(answer().await, 202);
}
