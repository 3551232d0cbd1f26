//! Server-side apply: stages, drift, markers, and what is said of objects that are refused.

use e2e::{Story, condition, inventory};
use serde_json::{Value, json};

use super::identity::allow;
use super::sync::{CONFIG_MAP, roll_out, synced};

/// A definition of Widgets in a group.
pub(crate) fn definition(group: &str) -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }}],
        },
    })
    .to_string()
}

/// ks G01, G02: a definition and its objects, a namespace and what lives in it, in one bundle.
#[tokio::test(flavor = "multi_thread")]
async fn definitions_come_first_and_are_awaited() {
    let story = Story::begin("stages").await;
    let group = format!("{}.test", story.namespace);
    let other = format!("{}-other", story.namespace);
    let widget = format!("apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w}}\n");
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {other}}}\n");
    let inside = CONFIG_MAP.replace("name: cm", &format!("name: cm, namespace: {other}"));
    // What a bundle does not say, nobody adds: the widget names its namespace itself.
    let widget = widget.replace("name: w", &format!("name: w, namespace: {}", story.namespace));
    let crd = definition(&group);
    let files = [("a.yaml", widget), ("crd.yaml", crd), ("b.yaml", inside), ("n.yaml", namespace)];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    story.push("latest", &files);
    story.apply(&story.source(json!({}))).await;
    let spec = json!({"targetNamespace": null});
    story.apply(&story.kustomization("k", spec)).await;
    let k = story.wait_ready("Kustomization", "k").await;
    let ns = &story.namespace;
    assert_eq!(
        inventory(&k),
        [
            format!("_widgets.{group}_apiextensions.k8s.io_CustomResourceDefinition"),
            format!("_{other}__Namespace"),
            format!("{other}_cm__ConfigMap"),
            format!("{ns}_w_{group}_Widget"),
        ]
    );
}

/// ks G04, G06, G07 and W15: all refused objects are named, nothing of their stage is written.
#[tokio::test(flavor = "multi_thread")]
async fn refused_objects_are_all_named_and_their_stage_is_not_begun() {
    let story = synced("refused", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    let ns = story.namespace.clone();
    let changed = CONFIG_MAP.replace("v1}", "v2}");
    let nope = "apiVersion: nope.test/v1\nkind: Nope\nmetadata: {name: a}\n";
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 99999}]}\n";
    story.push("latest", &[("cm.yaml", &changed), ("nope.yaml", nope), ("service.yaml", service)]);
    story.request("OCIRepository", "src", "bad").await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let message = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    let lines: Vec<_> = message.lines().collect();
    assert!(
        lines[0].starts_with(&format!(
            "Service/{ns}/a dry-run failed (Invalid): Service \"a\" is invalid: "
        )),
        "{message}"
    );
    let text = format!(
        "Nope/{ns}/a dry-run failed: no matches for kind \"Nope\" in version \"nope.test/v1\""
    );
    assert_eq!(lines[1], text);
    assert_eq!(story.get("ConfigMap", "cm").await.unwrap()["data"]["key"], "v1");
    assert_eq!(inventory(&k), [format!("{ns}_cm__ConfigMap")]);
    assert_eq!(k["status"]["history"][0]["lastReconciledStatus"], "ReconciliationFailed");
    let homeless = json!({"targetNamespace": null, "namePrefix": "x-"});
    story.push("latest", &[("cm.yaml", CONFIG_MAP)]);
    story.request("OCIRepository", "src", "good").await;
    story.apply(&story.kustomization("homeless", homeless)).await;
    story
        .wait("Kustomization", "homeless", "refused", |k| {
            condition(k, "Ready")["message"]
                == "ConfigMap/x-cm namespace not specified: the server could not find the requested resource\n"
        })
        .await;
    let elsewhere = json!({"targetNamespace": "does-not-exist", "namePrefix": "y-"});
    story.apply(&story.kustomization("elsewhere", elsewhere)).await;
    story
        .wait("Kustomization", "elsewhere", "refused", |k| {
            condition(k, "Ready")["message"]
                == "ConfigMap/does-not-exist/y-cm not found: namespaces \"does-not-exist\" not found\n"
        })
        .await;
}

/// ks G03: who may bind no more than there is needs the roles before their bindings.
#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_a_flag_names_come_before_the_rest() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader}\n\
                rules: [{apiGroups: [\"\"], resources: [configmaps], verbs: [get]}]\n";
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
                   metadata: {name: reader}\n\
                   roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}\n\
                   subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: u}]\n";
    let mut story = Story::begin("custom").await;
    allow(&story, "tenant").await;
    story.push("latest", &[("binding.yaml", binding), ("role.yaml", role)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"serviceAccountName": "tenant"}))).await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    let start = format!(
        "RoleBinding/{}/reader not found: rolebindings.rbac.authorization.k8s.io \"reader\" not found",
        story.namespace
    );
    assert!(text.starts_with(&start), "{text}");

    story.stop_operator().await;
    story.set_flags(&["--custom-apply-stage-kinds=rbac.authorization.k8s.io/Role"]);
    story.start_operator().await;
    story.request("Kustomization", "k", "staged").await;
    story.wait_ready("Kustomization", "k").await;
}

/// ks G05: what a stage has done before the next was refused stays, and the refusal says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_was_done_before_it() {
    let story = Story::begin("partly").await;
    let other = format!("{}-other", story.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {other}}}\n");
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: {other}}}\n\
         spec: {{ports: [{{port: 99999}}]}}\n"
    );
    story.push("latest", &[("n.yaml", &namespace), ("service.yaml", &service)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"targetNamespace": null}))).await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let text = condition(&k, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with(&format!("Service/{other}/a dry-run failed (Invalid): ")), "{text}");
    assert_eq!(text.lines().last().unwrap(), format!("Namespace/{other} created"));
    assert!(e2e::World::shared().try_kubectl(&["get", "namespace", &other]));
}

/// ks G15: what lives in no namespace is given none, whatever the spec's target is.
#[tokio::test(flavor = "multi_thread")]
async fn cluster_wide_objects_have_no_namespace_in_the_inventory() {
    let story = Story::begin("wide").await;
    let name = format!("{}-low", story.namespace);
    let class = format!(
        "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nvalue: 1\n\
         metadata: {{name: {name}, annotations: {{kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}}}}\n"
    );
    story.push("latest", &[("class.yaml", &class)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({}))).await;
    let entries = [format!("_{name}_scheduling.k8s.io_PriorityClass")];
    let k = story.wait_ready("Kustomization", "k").await;
    assert_eq!(inventory(&k), entries);
    let k = roll_out(&story, &[("class.yaml", &class.replace("value: 1", "value: 2"))]).await;
    assert_eq!(inventory(&k), entries);
    story.delete("Kustomization", "k").await;
    story.wait_gone("Kustomization", "k").await;
}

/// ks G08, G09: fields of kubectl are taken over, fields of others stay.
#[tokio::test(flavor = "multi_thread")]
async fn drift_is_corrected_and_foreign_fields_stay() {
    let story = synced("drift", &[("cm.yaml", CONFIG_MAP)], json!({})).await;
    story
        .patch_as("kubectl-edit", "ConfigMap", "cm", json!({"data": {"bad": "x", "key": "y"}}))
        .await;
    story.patch_as("foo", "ConfigMap", "cm", json!({"data": {"foreign": "z"}})).await;
    story.request("Kustomization", "k", "drift").await;
    let cm = story.wait("ConfigMap", "cm", "corrected", |cm| cm["data"]["key"] == "v1").await;
    assert_eq!(cm["data"], json!({"key": "v1", "foreign": "z"}));
    let managers: Vec<_> = cm["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["manager"].as_str().unwrap())
        .collect();
    assert_eq!(managers, ["kustomize-controller", "foo"]);
    let configured = format!("ConfigMap/{}/cm configured", story.namespace);
    story.wait_event("k", &configured).await;
    // What had drifted and who did it, but no value.
    let told = story.event_annotations("k", &configured).await["sluice.dev/drift"].clone();
    let (subject, fields) = told.as_str().unwrap().split_once(": ").unwrap();
    assert_eq!(subject, format!("ConfigMap/{}/cm", story.namespace));
    assert_eq!(fields, "data.key by kubectl-edit");
}

/// ks G12, G13, G14, G11: objects that ask to be treated otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn markers_are_obeyed() {
    let marked = |name: &str, marker: &str| {
        let annotation = format!("annotations: {{kustomize.toolkit.fluxcd.io/{marker}}}");
        CONFIG_MAP.replace("name: cm", &format!("name: {name}, {annotation}"))
    };
    let once = marked("once", "ssa: IfNotPresent");
    let ignored = marked("ignored", "ssa: Ignore");
    let merged = marked("merged", "ssa: Merge");
    let files = |once: &str| -> [(&str, String); 4] {
        [
            ("once.yaml", once.to_owned()),
            ("ignored.yaml", ignored.clone()),
            ("merged.yaml", merged.clone()),
            ("cm.yaml", CONFIG_MAP.to_owned()),
        ]
    };
    let first = files(&once);
    let first: Vec<_> = first.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let story = synced("markers", &first, json!({"wait": true})).await;
    assert!(story.get("ConfigMap", "ignored").await.is_none());
    let k = story.get("Kustomization", "k").await.unwrap();
    assert_eq!(inventory(&k).len(), 4);
    story.patch_as("kubectl-edit", "ConfigMap", "merged", json!({"data": {"mine": "x"}})).await;
    let annotations = json!({"kustomize.toolkit.fluxcd.io/reconcile": "Disabled"});
    let disabled = json!({"metadata": {"annotations": annotations}, "data": {"key": "mine"}});
    story.patch("ConfigMap", "cm", disabled).await;
    let changed = once.replace("v1}", "v2}");
    let second = files(&changed);
    let second: Vec<_> = second.iter().map(|(path, text)| (*path, text.as_str())).collect();
    roll_out(&story, &second).await;
    let key = async |name: &str| story.get("ConfigMap", name).await.unwrap()["data"].clone();
    assert_eq!(key("once").await, json!({"key": "v1"}));
    assert_eq!(key("cm").await, json!({"key": "mine"}));
    assert_eq!(key("merged").await, json!({"key": "v1", "mine": "x"}));
    let annotations = json!({"kustomize.toolkit.fluxcd.io/reconcile": null});
    story.patch("ConfigMap", "cm", json!({"metadata": {"annotations": annotations}})).await;
    story.request("Kustomization", "k", "on").await;
    story.wait("ConfigMap", "cm", "corrected", |cm: &Value| cm["data"]["key"] == "v1").await;
}

/// ks L08 and W13: nothing is put into a namespace that is on its way out, and it is said at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminating_namespace_fails_at_once() {
    let story = Story::begin("leaving").await;
    let other = format!("{}-other", story.namespace);
    let held = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other},
    });
    story.apply(&held).await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata":
        {"name": "held", "namespace": other, "finalizers": ["e2e.test/hold"]}});
    story.apply(&map).await;
    e2e::World::shared().kubectl(&["delete", "namespace", &other, "--wait=false"]);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {other}}}\n");
    story.push("latest", &[("n.yaml", &namespace)]);
    story.apply(&story.source(json!({}))).await;
    story.apply(&story.kustomization("k", json!({"targetNamespace": null}))).await;
    let k = story.wait_failed("Kustomization", "k", "ReconciliationFailed").await;
    let text = format!("timeout waiting for: [Namespace/{other} status: 'Terminating']\n");
    assert_eq!(condition(&k, "Ready")["message"], text);
    let release = [
        "-n",
        &other,
        "patch",
        "configmap",
        "held",
        "--type=merge",
        "-p",
        "{\"metadata\":{\"finalizers\":null}}",
    ];
    e2e::World::shared().kubectl(&release);
}
