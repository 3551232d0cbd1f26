//! What registries send when something is pushed, one function a format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci::reference::PlainHttp;
use oci::{Reference, Select};
use serde_json::Value;

/// A body with more notices is refused: registries send one, or a few.
pub(super) const NOTICES_MAX: usize = 100;

/// Something was pushed to a repository.
///
/// It does not say what: a notice makes a source look, and never chooses what it finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    repository: Reference,
    /// The tag that has moved; none when the sender does not say.
    tag: Option<String>,
}

/// Why a body gives no notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It has none of the formats.
    Unknown,
    /// It has more than [`NOTICES_MAX`].
    TooMany,
}

impl Notice {
    /// `host[:port]/repository`; none when it is no address.
    fn new(name: &str, tag: Option<&str>) -> Option<Self> {
        let repository = Reference::parse(&format!("oci://{name}"), PlainHttp::LocalOnly).ok()?;
        let tag = tag.filter(|tag| !tag.is_empty()).map(str::to_owned);
        Some(Self { repository, tag })
    }

    /// `host[:port]/repository`, with `:tag` or `@digest`.
    fn of_image(image: &str) -> Option<Self> {
        let name = image.split_once('@').map_or(image, |(name, _)| name);
        match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => Self::new(name, Some(tag)),
            _ => Self::new(name, None),
        }
    }

    /// Whether what `select` stands for in the repository may have moved.
    pub(crate) fn concerns(&self, repository: &Reference, select: &Select) -> bool {
        self.repository.registry().eq_ignore_ascii_case(repository.registry())
            && self.repository.repository() == repository.repository()
            && match select {
                Select::Digest(_) => false,
                Select::SemVer(_) => true,
                Select::Tag(tag) => self.tag.as_ref().is_none_or(|moved| moved == tag),
            }
    }
}

/// The notices of a body. None at all is fine: a test message, a pull, a deletion.
pub(super) fn notices(body: &[u8]) -> Result<Vec<Notice>, Unreadable> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Unreadable::Unknown)?;
    let formats =
        [distribution, azure, harbor, github, quay, docker_hub, amazon_ecr, google_artifacts];
    let notices = formats.iter().find_map(|read| read(&body)).ok_or(Unreadable::Unknown)?;
    if notices.len() > NOTICES_MAX { Err(Unreadable::TooMany) } else { Ok(notices) }
}

/// CNCF Distribution: an envelope of events.
fn distribution(body: &Value) -> Option<Vec<Notice>> {
    Some(body["events"].as_array()?.iter().flat_map(pushed).collect())
}

/// Azure Container Registry: one event of Distribution; `ping` has no target.
fn azure(body: &Value) -> Option<Vec<Notice>> {
    let action = body["action"].as_str()?;
    (action == "ping" || body["target"].is_object()).then(|| pushed(body))
}

/// An event of Distribution. Blobs and what is pushed by digest have no tag, and move none.
fn pushed(event: &Value) -> Vec<Notice> {
    let target = &event["target"];
    let is_push = event["action"].as_str().is_some_and(|it| it == "push" || it == "chart_push");
    let (true, Some(path), Some(tag)) =
        (is_push, target["repository"].as_str(), target["tag"].as_str())
    else {
        return Vec::new();
    };
    // Who pushed may know the registry by another name than the one that it gives itself.
    let own = target["url"].as_str().and_then(|url| url.split_once("://")?.1.split('/').next());
    let asked = event["request"]["host"].as_str();
    let own = own.filter(|own| Some(*own) != asked);
    let hosts = asked.into_iter().chain(own);
    hosts.filter_map(|host| Notice::new(&format!("{host}/{path}"), Some(tag))).collect()
}

/// Harbor, in its own format and as a CloudEvent.
fn harbor(body: &Value) -> Option<Vec<Notice>> {
    let (kind, own, event) = (body["type"].as_str()?, &body["event_data"], &body["data"]);
    let resources = if own.is_object() {
        own
    } else if kind.starts_with("harbor.") {
        event
    } else {
        return None;
    };
    if kind != "PUSH_ARTIFACT" && kind != "harbor.artifact.pushed" {
        return Some(Vec::new());
    }
    let images = resources["resources"].as_array()?.iter();
    Some(images.filter_map(|it| Notice::of_image(it["resource_url"].as_str()?)).collect())
}

/// GitHub: the events `registry_package`, `package` and `ping`.
fn github(body: &Value) -> Option<Vec<Notice>> {
    if body["zen"].is_string() && body["hook_id"].is_number() {
        return Some(Vec::new());
    }
    let package = body.get("registry_package").or_else(|| body.get("package"))?;
    let version = &package["package_version"];
    let tag = version["container_metadata"]["tag"]["name"].as_str();
    // Organizations are written with capitals, repositories are not.
    let image = version["package_url"].as_str()?;
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let name = name.rsplit_once(':').map_or(name, |(name, _)| name).to_ascii_lowercase();
    Some(Notice::new(&name, tag).into_iter().collect())
}

/// Quay: a repository and its tags.
fn quay(body: &Value) -> Option<Vec<Notice>> {
    let name = body["docker_url"].as_str()?;
    let tags = body["updated_tags"].as_array()?.iter();
    Some(tags.filter_map(|tag| Notice::new(name, Some(tag.as_str()?))).collect())
}

/// Docker Hub.
fn docker_hub(body: &Value) -> Option<Vec<Notice>> {
    let tag = body["push_data"].as_object()?.get("tag").and_then(Value::as_str);
    let name = body["repository"]["repo_name"].as_str()?;
    Some(Notice::new(&format!("docker.io/{name}"), tag).into_iter().collect())
}

/// Amazon ECR, as EventBridge sends it. The event names the account and the region, and the host
/// is made of these.
fn amazon_ecr(body: &Value) -> Option<Vec<Notice>> {
    if body["source"] != "aws.ecr" {
        return None;
    }
    let detail = &body["detail"];
    let (account, region) = (body["account"].as_str()?, body["region"].as_str()?);
    if detail["action-type"] != "PUSH" || detail["result"] != "SUCCESS" {
        return Some(Vec::new());
    }
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let name = detail["repository-name"].as_str()?;
    let name = format!("{account}.dkr.ecr.{region}.{domain}/{name}");
    Some(Notice::new(&name, detail["image-tag"].as_str()).into_iter().collect())
}

/// Google Artifact Registry, as Pub/Sub pushes it. What has no tag moves none.
fn google_artifacts(body: &Value) -> Option<Vec<Notice>> {
    let data = STANDARD.decode(body["message"]["data"].as_str()?).ok()?;
    let event: Value = serde_json::from_slice(&data).ok()?;
    let inserted = event["action"].as_str()? == "INSERT";
    let image = event["tag"].as_str().filter(|_| inserted);
    Some(image.and_then(Notice::of_image).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use oci::select::{Range, Spelling};
    use serde_json::json;

    use super::*;

    /// `registry/repository:tag` of each notice.
    fn read(body: &Value) -> Result<Vec<String>, Unreadable> {
        let text = |notice: &Notice| {
            format!("{}:{}", notice.repository, notice.tag.as_deref().unwrap_or("?"))
        };
        Ok(notices(body.to_string().as_bytes())?.iter().map(text).collect())
    }

    fn event(action: &str, target: &Value) -> Value {
        json!({"id": "1", "action": action, "target": target,
            "request": {"host": "registry.example.com:5000", "method": "PUT"}})
    }

    fn pub_sub(event: &Value) -> Value {
        let data = STANDARD.encode(event.to_string());
        json!({"message": {"data": data, "messageId": "1"}, "subscription": "projects/p/s"})
    }

    #[test]
    fn distribution_and_azure() {
        let tagged = json!({"repository": "team/app", "tag": "latest", "digest": "sha256:00",
            "url": "https://registry.example.com:5000/v2/team/app/manifests/sha256:00"});
        let blob = json!({"repository": "team/app", "digest": "sha256:00"});
        let body = json!({"events": [
            event("push", &tagged), event("push", &blob), event("pull", &tagged)]});
        let app = || Ok(vec!["registry.example.com:5000/team/app:latest".to_owned()]);
        assert_eq!(read(&body), app());
        let other = json!({"repository": "team/app", "tag": "v1",
            "url": "http://registry.internal/v2/team/app/manifests/sha256:00"});
        let both = ["registry.example.com:5000/team/app:v1", "registry.internal/team/app:v1"];
        assert_eq!(
            read(&json!({"events": [event("push", &other)]})),
            Ok(both.map(str::to_owned).into())
        );
        assert_eq!(read(&event("push", &tagged)), app());
        assert_eq!(read(&event("chart_push", &tagged)), app());
        assert_eq!(read(&event("delete", &tagged)), Ok(vec![]));
        assert_eq!(read(&json!({"id": "1", "action": "ping"})), Ok(vec![]));
    }

    #[test]
    fn vendors() {
        let harbor = json!({"resources": [
            {"digest": "sha256:00", "tag": "v1", "resource_url": "harbor.example.com/lib/app:v1"}]});
        let version = json!({"package_url": "ghcr.io/Octo-Org/app:v1",
            "container_metadata": {"tag": {"name": "v1", "digest": "sha256:00"}}});
        let untagged = json!({"package_url": "ghcr.io/octo-org/app:",
            "container_metadata": {"tag": {"name": ""}}});
        let ecr = |result: &str| {
            json!({"source": "aws.ecr", "account": "123456789012",
            "region": "us-west-2", "detail-type": "ECR Image Action", "detail": {
                "result": result, "repository-name": "team/app", "action-type": "PUSH",
                "image-tag": "v1", "image-digest": "sha256:00"}})
        };
        let gar = |action: &str| {
            pub_sub(&json!({"action": action,
            "digest": "us-east1-docker.pkg.dev/project/team/app@sha256:00",
            "tag": "us-east1-docker.pkg.dev/project/team/app:v1"}))
        };
        for (body, wanted) in [
            (
                json!({"type": "PUSH_ARTIFACT", "event_data": harbor}),
                "harbor.example.com/lib/app:v1",
            ),
            (
                json!({"specversion": "1.0", "type": "harbor.artifact.pushed", "data": harbor}),
                "harbor.example.com/lib/app:v1",
            ),
            (json!({"type": "PULL_ARTIFACT", "event_data": harbor}), ""),
            (
                json!({"action": "published", "registry_package": {"package_version": version}}),
                "ghcr.io/octo-org/app:v1",
            ),
            (
                json!({"action": "published", "package": {"package_version": untagged}}),
                "ghcr.io/octo-org/app:?",
            ),
            (json!({"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {}}), ""),
            (
                json!({"name": "app", "repository": "team/app", "docker_url": "quay.io/team/app",
                "updated_tags": ["v1", "v2"]}),
                "quay.io/team/app:v1 quay.io/team/app:v2",
            ),
            (
                json!({"push_data": {"pusher": "p", "tag": "v1"},
                "repository": {"repo_name": "team/app", "name": "app"}}),
                "index.docker.io/team/app:v1",
            ),
            (ecr("SUCCESS"), "123456789012.dkr.ecr.us-west-2.amazonaws.com/team/app:v1"),
            (ecr("FAILURE"), ""),
            (gar("INSERT"), "us-east1-docker.pkg.dev/project/team/app:v1"),
            (gar("DELETE"), ""),
            (pub_sub(&json!({"action": "INSERT", "digest": "pkg.dev/p/app@sha256:00"})), ""),
        ] {
            assert_eq!(read(&body).map(|all| all.join(" ")), Ok(wanted.into()), "{body}");
        }
    }

    /// security.md, G3.
    #[test]
    fn what_has_no_format_is_refused() {
        let deep = "[".repeat(100_000);
        for body in ["", "{", "null", "[]", "{}", "7", deep.as_str()] {
            assert_eq!(notices(body.as_bytes()), Err(Unreadable::Unknown), "{body:.9}");
        }
        for body in [
            json!({"events": {}}),
            json!({"action": "push", "target": []}),
            json!({"type": "PUSH_ARTIFACT", "event_data": []}),
            json!({"package": [1]}),
            json!({"docker_url": 1, "updated_tags": "v1"}),
            json!({"push_data": "v1"}),
            json!({"source": "aws.ecr", "detail": []}),
            json!({"message": {"data": "!"}}),
            pub_sub(&json!("text")),
        ] {
            assert_eq!(read(&body), Err(Unreadable::Unknown), "{body}");
        }
        let event = event("push", &json!({"repository": "app", "tag": "v1"}));
        let all = |count: usize| read(&json!({"events": vec![event.clone(); count]}));
        assert_eq!(all(NOTICES_MAX).map(|all| all.len()), Ok(NOTICES_MAX));
        assert_eq!(all(NOTICES_MAX + 1), Err(Unreadable::TooMany));
        let nonsense = json!({"docker_url": "quay.io/../Etc", "updated_tags": ["v1", 2]});
        assert_eq!(read(&nonsense), Ok(vec![]));
    }

    #[test]
    fn a_notice_concerns_who_may_have_missed_it() {
        let source = |url: &str| Reference::parse(url, PlainHttp::Allowed);
        let tag = |tag: &str| Select::Tag(tag.into());
        let range = Select::SemVer(Range {
            expression: "1.x".into(),
            filter: String::new(),
            spelling: Spelling::Plain,
        });
        let digest = Select::Digest("sha256:00".into());
        for (image, url, select, wanted) in [
            ("r.example.com/app:v1", "oci://r.example.com/app", &tag("v1"), true),
            ("R.example.com/app:v1", "oci://r.example.com/app", &tag("v1"), true),
            ("r.example.com/app:v1", "oci://r.example.com/app", &range, true),
            ("r.example.com/app", "oci://r.example.com/app", &tag("v1"), true),
            ("r.example.com/app:v1", "oci://r.example.com/app", &Select::latest(), false),
            ("r.example.com/app:v1", "oci://r.example.com/app", &digest, false),
            ("r.example.com/app:v1", "oci://r.example.com:5000/app", &tag("v1"), false),
            ("r.example.com/app:v1", "oci://r.example.com/app/two", &tag("v1"), false),
            ("docker.io/nginx:latest", "oci://nginx", &Select::latest(), true),
        ] {
            let (notice, url) = (Notice::of_image(image), source(url));
            let concerns = notice.zip(url.ok()).map(|(notice, url)| notice.concerns(&url, select));
            assert_eq!(concerns, Some(wanted), "{image} {select:?}");
        }
    }
}
