//! Names, tags and digests of images.

use manifest::Value;
use manifest::pattern::{Regex, compile};

use crate::Error;
use crate::error::expect_scalar;
use crate::fieldspec::{Create, FieldSpec, visit};
use crate::kustomization::Image;
use crate::resource::Resource;
use crate::resources::Resources;

/// Changes one image everywhere: in containers at any depth, and where the specs say.
pub(crate) fn apply(
    resources: &mut Resources,
    image: &Image,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    let change = Change::new(image);
    resources.iter_mut().try_for_each(|resource| change.apply(resource, fields))
}

/// The change of one image.
pub(crate) struct Change<'a> {
    /// What an image must look like; a name that is no pattern matches nothing.
    pattern: Option<Regex>,
    image: &'a Image,
}

impl<'a> Change<'a> {
    pub(crate) fn new(image: &'a Image) -> Self {
        let name = &image.name;
        let pattern = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
        Self { pattern: compile(&pattern).ok(), image }
    }

    /// Changes the image in one object.
    pub(crate) fn apply(&self, resource: &mut Resource, fields: &[FieldSpec]) -> Result<(), Error> {
        let Some(pattern) = &self.pattern else { return Ok(()) };
        let change = |value: &mut Value| {
            expect_scalar(value)?;
            if pattern.is_match(&value.to_text()) {
                value.set_scalar(&changed(&value.to_text(), self.image));
            }
            Ok(())
        };
        if resource.kind() != "CustomResourceDefinition" {
            in_containers(&mut resource.value, &change)?;
        }
        for field in fields {
            visit(resource, field, Create::Nothing, &mut |value| change(value))?;
        }
        Ok(())
    }
}

fn in_containers(
    value: &mut Value,
    change: &dyn Fn(&mut Value) -> Result<(), Error>,
) -> Result<(), Error> {
    match value {
        Value::List(items) => items.iter_mut().try_for_each(|item| in_containers(item, change)),
        Value::Map(map) => {
            for (key, value) in map {
                in_containers(value, change)?;
                if !matches!(key.as_str(), "containers" | "initContainers") {
                    continue;
                }
                for container in value.as_list_mut().into_iter().flatten() {
                    let image = container.as_map_mut().and_then(|map| map.get_mut("image"));
                    image.map_or(Ok(()), change)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn changed(reference: &str, image: &Image) -> String {
    let (mut name, mut tag, mut digest) = split(reference);
    let suffixed = format!("{tag}{}", image.tag_suffix);
    if !image.new_name.is_empty() {
        name = &image.new_name;
    }
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        (tag, digest) = (&image.new_tag, &image.digest);
    } else if !image.tag_suffix.is_empty() {
        (tag, digest) = (&suffixed, "");
    }
    let mut result = name.to_owned();
    for (mark, part) in [(':', tag), ('@', digest)] {
        if !part.is_empty() {
            result.push(mark);
            result.push_str(part);
        }
    }
    result
}

/// Name, tag and digest of a reference; a registry's port is no tag.
fn split(reference: &str) -> (&str, &str, &str) {
    let start = match reference.find('/') {
        Some(at) if at > 0 => at,
        _ => 0,
    };
    let (front, digest) = match reference[start..].find('@') {
        Some(at) => (&reference[..start + at], &reference[start + at + 1..]),
        None => (reference, ""),
    };
    match front[start..].find(':') {
        Some(at) => (&front[..start + at], &front[start + at + 1..], digest),
        None => (front, "", digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_references() {
        assert_eq!(split("a:1@sha256:x"), ("a", "1", "sha256:x"));
        assert_eq!(split("host:5000/a"), ("host:5000/a", "", ""));
        assert_eq!(split("host:5000/a:2"), ("host:5000/a", "2", ""));
        assert_eq!(split("a@sha256:x"), ("a", "", "sha256:x"));
    }
}
