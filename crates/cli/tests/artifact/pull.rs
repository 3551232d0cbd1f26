use expect_test::expect;

use crate::Desk;

#[tokio::test]
async fn what_is_pushed_is_listed_tagged_and_pulled() {
    let desk = Desk::new().await;
    desk.push(":1.0.0").await;
    let tag = ["tag", "artifact", "oci://HOST/team/app:1.0.0", "--tag", "1.1.0,latest"];
    desk.check(&tag, expect![[r"
        tagged HOST/team/app:1.1.0@sha256:88b3db3b320f32fba93d6bb31af881b4838ae8201b1733fd89fca7ef60979a78
        tagged HOST/team/app:latest@sha256:88b3db3b320f32fba93d6bb31af881b4838ae8201b1733fd89fca7ef60979a78
        exit 0
    "]]).await;
    desk.registry.push_manifest("team/app", "sha256-ab.sig", "text/plain", "{}");
    let list = ["list", "artifacts", "oci://HOST/team/app"];
    desk.check(&list, expect![[r"
        ARTIFACT                         DIGEST                                                                   SOURCE     REVISION
        HOST/team/app:latest  sha256:88b3db3b320f32fba93d6bb31af881b4838ae8201b1733fd89fca7ef60979a78  https://s  main@sha1:ab
        HOST/team/app:1.1.0   sha256:88b3db3b320f32fba93d6bb31af881b4838ae8201b1733fd89fca7ef60979a78  https://s  main@sha1:ab
        HOST/team/app:1.0.0   sha256:88b3db3b320f32fba93d6bb31af881b4838ae8201b1733fd89fca7ef60979a78  https://s  main@sha1:ab
        exit 0
    "]]).await;
    let newer = ["--filter-semver", ">1.0.0", "-o", "yaml"];
    desk.check(
        &[&list[..], &newer].concat(),
        expect![[r"
        - artifact: HOST/team/app:1.1.0
          digest: sha256:88b3db3b320f32fba93d6bb31af881b4838ae8201b1733fd89fca7ef60979a78
          revision: main@sha1:ab
          source: https://s
          tag: 1.1.0
        exit 0
    "]],
    )
    .await;
    let named = ["--filter-regex", "^l", "-o", "json"];
    desk.check(
        &[&list[..], &named].concat(),
        expect![[r#"
        [
          {
            "artifact": "HOST/team/app:latest",
            "tag": "latest",
            "digest": "sha256:88b3db3b320f32fba93d6bb31af881b4838ae8201b1733fd89fca7ef60979a78",
            "source": "https://s",
            "revision": "main@sha1:ab"
          }
        ]
        exit 0
    "#]],
    )
    .await;
    let pull = ["pull", "artifact", "oci://HOST/team/app", "--output", "EMPTY"];
    desk.check(&pull, expect![[r"
        pulled HOST/team/app:latest@sha256:88b3db3b320f32fba93d6bb31af881b4838ae8201b1733fd89fca7ef60979a78 into EMPTY
        exit 0
    "]]).await;
    let read = |path: &str| std::fs::read_to_string(desk.empty.path().join(path)).unwrap();
    assert_eq!(read("base/cm.yaml"), "kind: ConfigMap\n");
    assert_eq!(read("app.yaml"), "kind: List\n");
    assert!(!desk.empty.path().join("logo.png").exists());
    let diff = ["diff", "artifact", "oci://HOST/team/app:1.1.0", "--path", "EMPTY"];
    desk.check(
        &diff,
        expect![[r"
        no changes detected
        exit 0
    "]],
    )
    .await;
}

#[tokio::test]
async fn what_fails_says_so() {
    let desk = Desk::new().await;
    desk.push(":v1").await;
    let pull = |url| ["pull", "artifact", url, "-o", "EMPTY"];
    desk.check(
        &pull("oci://HOST/team/app:v2"),
        expect![[r"
        error: failed to determine artifact digest
        cause: GET http://HOST/v2/team/app/manifests/v2: MANIFEST_UNKNOWN: manifest unknown; map[Tag:v2]
        exit 1
    "]],
    )
    .await;
    desk.check(
        &pull("oci://HOST/team/app@sha256:00"),
        expect![[r"
        error: failed to determine artifact digest
        cause: wrong number of hex digits for sha256: 00
        exit 1
    "]],
    )
    .await;
    let nowhere = ["pull", "artifact", "oci://HOST/team/app:v1", "-o", "EMPTY/x"];
    desk.check(
        &nowhere,
        expect![[r"
        error: invalid output path `EMPTY/x`: not a folder
        exit 1
    "]],
    )
    .await;
    let tag = ["tag", "artifact", "oci://HOST/team/app:v2", "--tag", "v3"];
    desk.check(
        &tag,
        expect![[r"
        error: failed to tag HOST/team/app, `v2`, as `v3`
        cause: GET http://HOST/v2/team/app/manifests/v2: MANIFEST_UNKNOWN: manifest unknown; map[Tag:v2]
        exit 1
    "]],
    )
    .await;
    let list = ["list", "artifacts", "oci://HOST/team/app", "--filter-semver", "x.y"];
    desk.check(
        &list,
        expect![[r#"
        error: improper constraint: "x.y"
        exit 1
    "#]],
    )
    .await;
    desk.check(&["list", "artifacts", "oci://HOST/nobody"], expect![[r"
        error: failed to list the tags of HOST/nobody
        cause: GET http://HOST/v2/nobody/tags/list?n=1000: NAME_UNKNOWN: repository name not known to registry; map[name:nobody]
        exit 1
    "]]).await;
    std::os::unix::fs::symlink(desk.files.path(), desk.empty.path().join("base")).unwrap();
    desk.check(
        &pull("oci://HOST/team/app:v1"),
        expect![[r"
        error: write EMPTY/base
        cause: a symbolic link is in the way
        exit 1
    "]],
    )
    .await;
}

/// What Flux's client pushes, and what ORAS does: a layer of another type under a name of its own.
#[tokio::test]
async fn artifacts_of_other_clients_are_understood() {
    let desk = Desk::new().await;
    let layer = registry::layer(&[("./deploy/app.yaml", b"kind: Pod\n")]);
    let flux = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let origin = [
        ("org.opencontainers.image.source", "https://git"),
        ("org.opencontainers.image.revision", "main@sha1:ab"),
    ];
    desk.registry.push_image("team/app", "flux", &[(flux, &layer)], &origin);
    let pull = ["pull", "artifact", "oci://HOST/team/app:flux", "-o", "EMPTY", "--format", "json"];
    desk.check(&pull, expect![[r#"
        {
          "url": "oci://HOST/team/app@sha256:6cf85d6a5d1992a37dab883857680cd7e8be0a4437d5d8e66e211dea7d3930d5",
          "digest": "sha256:6cf85d6a5d1992a37dab883857680cd7e8be0a4437d5d8e66e211dea7d3930d5",
          "source": "https://git",
          "revision": "main@sha1:ab",
          "path": "EMPTY"
        }
        exit 0
    "#]]).await;
    let read = |path: &str| std::fs::read_to_string(desk.empty.path().join(path)).unwrap();
    assert_eq!(read("deploy/app.yaml"), "kind: Pod\n");
    let mut layer = desk.registry.push_blob("team/app", "text/yaml", b"kind: Job\n");
    layer["annotations"] = serde_json::json!({"org.opencontainers.image.title": "jobs/job.yaml"});
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = serde_json::json!({"schemaVersion": 2, "layers": [layer]}).to_string();
    desk.registry.push_manifest("team/app", "oras", media_type, manifest);
    let url = "oci://HOST/team/app:oras";
    desk.check(&["pull", "artifact", url, "-o", "EMPTY"], expect![[r"
        pulled HOST/team/app:oras@sha256:3394cafa1f0cea2b4ba85d4f8f9c688ecfeda7fde7dbf8ffcca57d8c1c6eaf69 into EMPTY
        exit 0
    "]]).await;
    assert_eq!(read("jobs/job.yaml"), "kind: Job\n");
    let diff = ["diff", "artifact", url, "--path", "EMPTY/jobs/job.yaml"];
    desk.check(
        &diff,
        expect![[r"
        no changes detected
        exit 0
    "]],
    )
    .await;
}
