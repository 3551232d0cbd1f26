use expect_test::expect;

use crate::Desk;

#[tokio::test]
async fn what_differs_is_named_and_fails() {
    let desk = Desk::new().await;
    desk.push(":v1").await;
    let write =
        |path: &str, text: &str| std::fs::write(desk.files.path().join(path), text).unwrap();
    write("app.yaml", "kind: Pod\n");
    write("new.yaml", "kind: Pod\n");
    std::fs::remove_file(desk.files.path().join("base/cm.yaml")).unwrap();
    let diff = ["diff", "artifact", "oci://HOST/team/app:v1", "--path", "FILES"];
    desk.check(
        &diff,
        expect![[r"
        changed app.yaml
        removed base/cm.yaml
        added new.yaml
        error: the remote artifact contents differs from the local one
        exit 1
    "]],
    )
    .await;
    desk.check(
        &[&diff[..], &["--brief"]].concat(),
        expect![[r"
        error: the remote artifact contents differs from the local one
        exit 1
    "]],
    )
    .await;
    desk.check(
        &[&diff[..], &["-o", "yaml"]].concat(),
        expect![[r"
        changed: true
        files:
        - change: changed
          path: app.yaml
        - change: removed
          path: base/cm.yaml
        - change: added
          path: new.yaml
        error: the remote artifact contents differs from the local one
        exit 1
    "]],
    )
    .await;
    let one = ["--ignore-paths", "new.yaml,app.yaml,base/"];
    desk.check(
        &[&diff[..], &one].concat(),
        expect![[r"
        removed app.yaml
        removed base/cm.yaml
        added logo.png
        error: the remote artifact contents differs from the local one
        exit 1
    "]],
    )
    .await;
}
