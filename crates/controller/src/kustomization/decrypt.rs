//! Rendering with data keys that somebody has to be asked for (kustomization.md, 8).

use std::sync::Arc;

use kustomize::files::Memory;
use render::Rendered;
use render::remote::Remotes;
use render::sealed::Sources;
use sops::{DataKeys, Wrapped};

use super::converge::{Attempt, Failure};
use super::keyring::Keyring;
use super::request::Request;
use crate::context::Context;
use crate::gates::OBJECT_LEVEL_IDENTITY;

/// Data keys of one run; more are a hostile artifact.
const DATA_KEYS_MAX: usize = 10_000;

/// What the object says when its decryption names an account and the operator takes none.
pub(super) fn closed_gate(context: &Context, request: &Request) -> Option<String> {
    let decryption = request.decryption.as_ref()?;
    let named = decryption.service_account_name.as_ref().is_some_and(|name| !name.is_empty());
    (named && !context.settings.object_level_identity).then(|| {
        format!(
            "to use spec.decryption.serviceAccountName for decryption authentication please enable \
             the {OBJECT_LEVEL_IDENTITY} feature gate in the controller"
        )
    })
}

/// Renders on threads of their own: it computes and may take long. Between them the keyring is
/// asked, if there is to be one.
pub(super) async fn render(
    attempt: &Attempt<'_>,
    files: &Arc<Remotes<Memory>>,
    request: render::Request,
) -> Result<Rendered, Failure> {
    let files = Arc::clone(files);
    let Some(decryption) = &attempt.request.decryption else {
        return blocking(move || render::render(&*files, &request)).await;
    };
    let keyring = Keyring::read(attempt.context, attempt.key, decryption).await;
    let keyring = keyring.map_err(|text| Failure::new("BuildFailed", &text))?;
    let request = Arc::new(request);
    let mut keys = DataKeys::default();
    let sources = {
        let (files, request) = (Arc::clone(&files), Arc::clone(&request));
        blocking(move || Sources::find(&*files, &request)).await?
    };
    ask(attempt, &keyring, sources.wrapped(), &mut keys).await?;
    let draft = {
        let (request, keys) = (Arc::clone(&request), keys.clone());
        blocking(move || sources.build(&*files, &request, &keys)).await?
    };
    ask(attempt, &keyring, draft.wrapped(), &mut keys).await?;
    blocking(move || draft.finish(&request, &keys)).await
}

/// Asks for every data key that is not known, once, within the timeout of the spec.
async fn ask(
    attempt: &Attempt<'_>,
    keyring: &Keyring,
    wrapped: Vec<Wrapped>,
    keys: &mut DataKeys,
) -> Result<(), Failure> {
    let asking = async {
        for wrapped in wrapped.into_iter().take(DATA_KEYS_MAX) {
            if !keys.contains(&wrapped) {
                let key = keyring.unwrap(&wrapped).await;
                keys.insert(wrapped, key);
            }
        }
    };
    let limit = attempt.request.timeout;
    let done = attempt.context.clock.timeout(limit, asking).await;
    done.ok_or_else(|| {
        Failure::new("BuildFailed", &"cannot get sops data key: context deadline exceeded")
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, render::Error> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Failure::new("BuildFailed", &error)),
        Err(panicked) => Err(Failure::new("BuildFailed", &panicked)),
    }
}
