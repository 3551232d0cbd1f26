//! What an object becomes on its way through Go's types, before it is applied.
//!
//! Flux reads an object of a built-in kind into the kind's Go type and writes it out again
//! (kustomization.md, 9.1 and 22.5 to 22.7). So unknown fields are gone, structures that are always
//! written appear, quantities and times have one spelling. An object that does not fit its type stays
//! as it is, for the server to name what is wrong.

mod kinds;
mod quantity;
mod scalars;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manifest::pointer::Pointer;
use manifest::{Gvk, Map, Object, Value};

use kinds::{Field, Kinds, Known, Type};
use scalars::Scalar;

/// The most unknown fields that are named.
const UNKNOWN_MAX: usize = 20;

/// Why an object cannot be normalised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A kind of Kubernetes itself that is no object, such as a list.
    #[error("normalization error: {0} is not an object that can be applied")]
    NotAnObject(String),
}

/// Makes an object what it is when it is applied, and says which fields its kind does not know: they
/// are dropped. Fails on a kind that cannot be applied at all.
pub fn normalize(object: &mut Object) -> Result<Vec<String>, Error> {
    let gvk = object.gvk();
    let mut dropped = Vec::new();
    let exempt = gvk.group == "rbac.authorization.k8s.io"
        && gvk.version == "v1"
        && ["Role", "ClusterRole"].contains(&gvk.kind.as_str());
    if exempt {
        return Ok(dropped);
    }
    match Kinds::get().of(&gvk) {
        Some(Known::NoObject) => return Err(Error::NotAnObject(gvk.kind)),
        Some(Known::Object(number)) => {
            if let Some(Value::Map(mut root)) = structure(object.value(), number) {
                finish(&gvk, &mut root);
                if let Ok(typed) = Object::new(Value::Map(root)) {
                    unknown(object.value(), &Type::Structure(number), "", &mut dropped);
                    *object = typed;
                }
            }
        }
        None => {}
    }
    object.metadata_mut().insert("creationTimestamp".into(), Value::Null);
    // As Flux tells definitions: whatever the case of the kind.
    let is_definition = gvk.group == "apiextensions.k8s.io"
        && gvk.kind.eq_ignore_ascii_case("CustomResourceDefinition");
    if !is_definition {
        object.set("status", None);
    }
    Ok(dropped)
}

/// The tree that a value becomes; `None` if it does not fit. What is absent is null.
fn convert(value: &Value, kind: &Type) -> Option<Value> {
    if value.is_null() {
        return Some(zero(kind));
    }
    match kind {
        Type::Pointer(to) => convert(value, to),
        Type::Structure(number) => structure(value, *number),
        Type::List(of) => {
            let items = value.as_list()?.iter().map(|item| convert(item, of));
            items.collect::<Option<Vec<_>>>().map(Value::List)
        }
        Type::Map(of) => {
            let entries = value.as_map()?.iter();
            let entries = entries.map(|(key, value)| Some((key.clone(), convert(value, of)?)));
            entries.collect::<Option<Map>>().map(Value::Map)
        }
        Type::Scalar(scalar) => scalars::convert(value, *scalar),
    }
}

fn structure(value: &Value, number: usize) -> Option<Value> {
    let source = value.as_map()?;
    let mut out = Map::new();
    for Field { name, kind, omits_empty, omits_zero } in Kinds::get().fields(number) {
        let converted = match source.get(name) {
            Some(value) => convert(value, kind)?,
            None => zero(kind),
        };
        if (*omits_empty && is_empty(&converted, kind))
            || (*omits_zero && is_zero(&converted, kind))
        {
            continue;
        }
        out.insert(name.as_str().into(), converted);
    }
    Some(Value::Map(out))
}

/// The fields that a type does not have, at most so many that a message can name them.
fn unknown(value: &Value, kind: &Type, path: &str, out: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (value, kind) {
        (value, Type::Pointer(to)) => unknown(value, to, path, out),
        (Value::List(items), Type::List(of)) => {
            for (at, item) in items.iter().enumerate() {
                unknown(item, of, &format!("{path}[{at}]"), out);
            }
        }
        (Value::Map(map), Type::Map(of)) => {
            for (key, value) in map {
                unknown(value, of, &below(key), out);
            }
        }
        (Value::Map(map), Type::Structure(number)) => {
            let fields = Kinds::get().fields(*number);
            for (key, value) in map {
                match fields.iter().find(|field| field.name == *key) {
                    Some(field) => unknown(value, &field.kind, &below(key), out),
                    None if out.len() < UNKNOWN_MAX => out.push(below(key)),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

/// What a field is that nobody wrote.
fn zero(kind: &Type) -> Value {
    match kind {
        Type::Structure(number) => {
            structure(&Value::Map(Map::new()), *number).unwrap_or(Value::Null)
        }
        Type::Scalar(scalar) => scalars::zero(*scalar),
        Type::Pointer(_) | Type::List(_) | Type::Map(_) => Value::Null,
    }
}

/// Whether Go's `omitempty` leaves a value out; never a structure.
fn is_empty(value: &Value, kind: &Type) -> bool {
    match kind {
        Type::Pointer(_) => value.is_null(),
        Type::List(_) => value.as_list().is_none_or(<[Value]>::is_empty),
        Type::Map(_) => value.as_map().is_none_or(Map::is_empty),
        Type::Structure(_) => false,
        Type::Scalar(Scalar::Bytes) => value.as_str().is_none_or(str::is_empty),
        Type::Scalar(scalar) => scalar.is_plain() && *value == scalars::zero(*scalar),
    }
}

fn is_zero(value: &Value, kind: &Type) -> bool {
    *value == zero(kind)
}

/// The defaults that Flux adds to some kinds.
fn finish(gvk: &Gvk, root: &mut Map) {
    match (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str()) {
        ("", "v1", "Pod") => container_ports(root.get_mut("spec")),
        ("apps", "v1", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "v1", "Job") => container_ports(at_mut(root, &["spec", "template", "spec"])),
        ("batch", "v1", "CronJob") => {
            container_ports(at_mut(root, &["spec", "jobTemplate", "spec", "template", "spec"]));
        }
        ("", "v1", "Service") => ports(root.get_mut("spec")),
        ("", "v1", "Secret") => fold_texts(root),
        _ => {}
    }
}

fn at_mut<'a>(root: &'a mut Map, path: &[&str]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(root.get_mut(first)?, |value, key| value.as_map_mut()?.get_mut(key))
}

fn container_ports(pod: Option<&mut Value>) {
    let containers = pod.and_then(|pod| pod.as_map_mut()?.get_mut("containers")?.as_list_mut());
    for container in containers.into_iter().flatten() {
        ports(Some(container));
    }
}

/// Ports without a protocol are of TCP.
fn ports(holder: Option<&mut Value>) {
    let ports = holder.and_then(|holder| holder.as_map_mut()?.get_mut("ports")?.as_list_mut());
    for port in ports.into_iter().flatten().filter_map(Value::as_map_mut) {
        if port.get("protocol").is_none_or(|text| text.as_str().is_none_or(str::is_empty)) {
            port.insert("protocol".into(), "TCP".into());
        }
    }
}

/// The texts of a Secret become part of its data.
fn fold_texts(secret: &mut Map) {
    let Some(Value::Map(texts)) = secret.shift_remove("stringData") else { return };
    let data = secret.entry("data".into()).or_insert_with(|| Value::Map(Map::new()));
    let Value::Map(data) = data else { return };
    // In the order of their names, as Go writes mappings.
    let texts: BTreeMap<_, _> = texts.into_iter().collect();
    for (key, value) in texts {
        data.insert(key, STANDARD.encode(value.to_text()).into());
    }
}

/// Takes the authority of a definition's conversion webhook out if it is none: the API server refuses
/// such a definition, and whoever injects the authority does so later (kustomization.md, 9.1; ks G28).
pub(crate) fn drop_bad_authority(object: &mut Object) {
    const PATH: &str = "/spec/conversion/webhook/clientConfig/caBundle";
    let gvk = object.gvk();
    if gvk.group != "apiextensions.k8s.io" || gvk.kind != "CustomResourceDefinition" {
        return;
    }
    let Some(pointer) = Pointer::parse(PATH) else { return };
    let bundle = pointer.get(object.value()).and_then(Value::as_str).unwrap_or_default();
    if bundle.is_empty() || STANDARD.decode(bundle).is_ok_and(|bytes| has_certificate(&bytes)) {
        return;
    }
    let mut value = object.clone().into_value();
    pointer.remove(&mut value);
    if let Ok(without) = Object::new(value) {
        *object = without;
    }
}

/// Whether PEM holds a certificate, by its outermost structure.
fn has_certificate(bytes: &[u8]) -> bool {
    let blocks = pem::parse_many(bytes).unwrap_or_default();
    blocks.iter().any(|block| block.tag() == "CERTIFICATE" && block.contents().starts_with(&[0x30]))
}
