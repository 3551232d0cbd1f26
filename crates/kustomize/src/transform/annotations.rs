//! Annotations on every object.

use crate::Error;
use crate::fieldspec::FieldSpec;
use crate::kustomization::Texts;
use crate::resources::Resources;

use super::labels;

/// Sets annotations where the specs say.
pub(crate) fn apply(
    resources: &mut Resources,
    annotations: &Texts,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    labels::apply(resources, annotations, fields)
}
