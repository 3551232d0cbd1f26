//! The CustomResourceDefinitions, made from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_core::CustomResourceExt as _;
use serde_json::{Value, json};

/// Both definitions as the API server takes them: OCIRepository first.
///
/// OCIRepository is also served as v1beta2: the same schema, deprecated and not stored, because
/// manifests in the wild still say so.
pub fn crds() -> Result<Vec<Value>, serde_json::Error> {
    let mut source = definition(&crate::OCIRepository::crd())?;
    if let Some(versions) = source.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
        let mut older = versions[0].clone();
        older["name"] = json!("v1beta2");
        older["storage"] = json!(false);
        older["deprecated"] = json!(true);
        older["deprecationWarning"] =
            json!("v1beta2 OCIRepository is deprecated, upgrade to source.toolkit.fluxcd.io/v1");
        versions.push(older);
    }
    Ok(vec![source, definition(&crate::Kustomization::crd())?])
}

fn definition(crd: &CustomResourceDefinition) -> Result<Value, serde_json::Error> {
    let mut crd = serde_json::to_value(crd)?;
    forbid_null(&mut crd);
    if let Some(versions) = crd.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
        for version in versions {
            if let Some(root) = version.pointer_mut("/schema/openAPIV3Schema") {
                root["properties"]["status"]["default"] = json!({"observedGeneration": -1});
            }
        }
    }
    Ok(crd)
}

/// An optional field may be absent but never null, so that the server drops a null instead of
/// storing it.
fn forbid_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("nullable");
            map.values_mut().for_each(forbid_null);
        }
        Value::Array(items) => items.iter_mut().for_each(forbid_null),
        _ => {}
    }
}
