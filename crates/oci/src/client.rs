//! Pulling: tags, digests, manifests and blobs, checked (ocirepository.md, 5, 7 and 8).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use artifact::Digest;
use artifact::digest::{Algorithm, HashWriter};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LINK};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Response, Url};
use serde::Deserialize;
use tokio::time::Instant;

use crate::ask::Ask;
use crate::auth::Auth;
use crate::blob::Unchecked;
use crate::error::{Error, Failure};
use crate::image::{
    Blob, DOCKER_LIST, DOCKER_MANIFEST, Image, Layer, OCI_INDEX, OCI_MANIFEST, Operation, Pin,
    SCHEMA_1, SCHEMA_1_SIGNED, child_of_index,
};
use crate::keychain::Keychain;
use crate::progress::Progress;
use crate::reference::Reference;
use crate::select::Select;
use crate::transport::{Clock, Proxy, SystemClock, Tls, Transport, authority, read_body, refusal};
use crate::verify::Trusted;
use crate::wording::{body_text, shown};

/// What the distribution specification asks registries to take, and clients to stop at.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// One page of tags.
const TAG_PAGE: usize = 1000;
const TAG_PAGE_BYTES_MAX: u64 = 4 << 20;
const TAG_PAGES_MAX: usize = 1000;
const TAGS_MAX: usize = 250_000;
/// Indexes in indexes.
const INDEX_DEPTH_MAX: usize = 4;
/// The default bound on a layer's compressed size (decisions.md, limits).
const LAYER_BYTES_MAX: u64 = 1 << 30;

const DIGEST_HEADER: &str = "docker-content-digest";

/// What a client is made of: one source's credentials and transport.
#[derive(Clone)]
pub struct Options {
    /// Credentials; empty means anonymous.
    pub keychain: Keychain,
    /// TLS material.
    pub tls: Tls,
    /// A proxy; without one the environment's is used.
    pub proxy: Option<Proxy>,
    /// Hosts that may serve tokens for registries of other domains (`--allow-token-realm`).
    pub token_realms: Vec<String>,
    /// The most bytes of a layer.
    pub layer_bytes_max: u64,
    /// Where layers are kept while they are read, in files without a name.
    pub temp_dir: PathBuf,
    /// `User-Agent` of every request.
    pub user_agent: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who is told how far a blob has come.
    pub progress: Progress,
}

impl Options {
    /// Anonymous, the system's trust, default bounds.
    pub fn new(temp_dir: impl Into<PathBuf>) -> Self {
        Self {
            keychain: Keychain::default(),
            tls: Tls::default(),
            proxy: None,
            token_realms: Vec::new(),
            layer_bytes_max: LAYER_BYTES_MAX,
            temp_dir: temp_dir.into(),
            user_agent: concat!("sluice/", env!("CARGO_PKG_VERSION")).into(),
            clock: Arc::new(SystemClock),
            progress: Progress::default(),
        }
    }
}

/// A registry client. It remembers challenges, tokens and schemes, so one that is kept for a
/// source asks the registry for nothing twice. Every call may be dropped at any point.
pub struct Client {
    pub(crate) transport: Arc<Transport>,
    pub(crate) auth: Auth,
    pub(crate) schemes: Mutex<HashMap<String, &'static str>>,
    /// Registries that asked to be left alone, and until when.
    pub(crate) resting: Mutex<HashMap<String, Instant>>,
    pub(crate) progress: Progress,
    layer_bytes_max: u64,
    temp_dir: PathBuf,
}

#[derive(Deserialize)]
pub(crate) struct TagPage {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client {
    /// Makes a client; the caller has installed a rustls provider.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let clock = Arc::clone(&options.clock);
        let (tls, proxy) = (&options.tls, options.proxy.as_ref());
        let transport = Transport::new(tls, proxy, &options.user_agent, clock)?;
        Ok(Self::on(Arc::new(transport), options))
    }

    /// Makes a client on a transport that others use too; what `options` say of the transport
    /// does not count.
    pub fn on(transport: Arc<Transport>, options: &Options) -> Self {
        Self {
            transport,
            auth: Auth::new(options.keychain.clone(), options.token_realms.clone()),
            schemes: Mutex::default(),
            resting: Mutex::default(),
            progress: options.progress.clone(),
            layer_bytes_max: options.layer_bytes_max,
            temp_dir: options.temp_dir.clone(),
        }
    }

    /// The content that `select` stands for now.
    ///
    /// A digest costs no request, a tag one HEAD, a range the list and one HEAD.
    pub async fn resolve(&self, reference: &Reference, select: &Select) -> Result<Pin, Error> {
        let tag = match select {
            Select::Digest(digest) => {
                let digest = Digest::parse_sha256(digest);
                let digest = digest.map_err(|error| Error::Resolve(error.into()))?;
                return Ok(Pin { tag: None, digest });
            }
            Select::Tag(tag) => tag.clone(),
            Select::SemVer(range) => {
                let failed = |source| Error::Select { url: reference.url().into(), source };
                let tags = self.tags(reference).await.map_err(failed)?;
                range.select(&tags).map_err(|error| failed(error.into()))?
            }
        };
        let digest = self.digest(reference, &tag).await.map_err(Error::Resolve)?;
        Ok(Pin { tag: Some(tag), digest })
    }

    /// The image manifest behind a trusted pin, by digest.
    pub async fn pull(&self, reference: &Reference, trusted: &Trusted) -> Result<Image, Error> {
        let failed = |source| Error::Pull { url: reference.url().into(), source };
        let mut digest = trusted.pin().digest.clone();
        for _ in 0..INDEX_DEPTH_MAX {
            let (media_type, body) = self.manifest(reference, &digest).await.map_err(failed)?;
            match media_type.as_str() {
                OCI_INDEX | DOCKER_LIST => {
                    let subject = format!("{reference}@{digest}");
                    digest = child_of_index(&body, &subject).map_err(failed)?;
                }
                SCHEMA_1 | SCHEMA_1_SIGNED => {
                    let problem = format!("unsupported MediaType: \"{media_type}\"");
                    let what = format!("{reference}@{digest}");
                    return Err(failed(Failure::Malformed { what, problem }));
                }
                _ => return Image::parse(&body),
            }
        }
        let what = "image index".to_owned();
        Err(failed(Failure::TooLarge { what, max: INDEX_DEPTH_MAX as u64, unit: "levels" }))
    }

    /// A layer's bytes. Nothing is given before all of them are there and checked.
    pub async fn fetch_layer(&self, reference: &Reference, layer: &Layer) -> Result<Blob, Error> {
        let response = self.open_layer(reference, layer).await.map_err(Error::OpenLayer)?;
        let kept = self.keep_layer(response, layer).await;
        kept.map_err(match layer.operation {
            Operation::Extract => Error::Extract,
            Operation::Copy => Error::Copy,
        })
    }

    /// Every tag, in the registry's order.
    pub(crate) async fn tags(&self, reference: &Reference) -> Result<Vec<String>, Failure> {
        let mut tags = Vec::new();
        let mut ask = Ask::new(Method::GET, &["tags", "list"]);
        ask.query = Some(format!("n={TAG_PAGE}"));
        let mut url = None;
        for _ in 0..TAG_PAGES_MAX {
            let response = match url.take() {
                None => self.ask(reference, &ask).await?,
                Some(url) => self.send(reference, &ask, url).await?,
            };
            if response.status() != StatusCode::OK {
                return Err(refusal(&ask.method, response).await);
            }
            let next = next_page(&response)?;
            let what = format!("tags of {reference}");
            let body = read_body(response, TAG_PAGE_BYTES_MAX, &what).await?;
            let page: TagPage = serde_json::from_slice(&body)
                .map_err(|error| Failure::Malformed { what, problem: error.to_string() })?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > TAGS_MAX {
                break;
            }
            match next {
                None => return Ok(tags),
                next => url = next,
            }
        }
        let what = format!("tag list of {reference}");
        Err(Failure::TooLarge { what, max: TAGS_MAX as u64, unit: "tags" })
    }

    /// The digest of a tag: HEAD with strict headers, else GET and hash (ocirepository.md, 8).
    async fn digest(&self, reference: &Reference, tag: &str) -> Result<Digest, Failure> {
        let ask = manifest_ask(Method::HEAD, tag);
        if let Ok(response) = self.ask(reference, &ask).await
            && let Some(digest) = stated_digest(&response)
        {
            return Ok(digest);
        }
        let ask = manifest_ask(Method::GET, tag);
        let response = self.ask(reference, &ask).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(&ask.method, response).await);
        }
        let what = format!("manifest {reference}:{tag}");
        let body = read_body(response, MANIFEST_BYTES_MAX, &what).await?;
        Ok(Digest::of(Algorithm::Sha256, &body))
    }

    /// Media type and bytes of a manifest whose digest is checked.
    pub(crate) async fn manifest(
        &self,
        reference: &Reference,
        digest: &Digest,
    ) -> Result<(String, Bytes), Failure> {
        let ask = manifest_ask(Method::GET, &digest.to_string());
        let response = self.ask(reference, &ask).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(&ask.method, response).await);
        }
        let media_type = header_text(response.headers(), CONTENT_TYPE.as_str());
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let subject = format!("{reference}@{digest}");
        let body = read_body(response, MANIFEST_BYTES_MAX, &subject).await?;
        let found = Digest::of(Algorithm::Sha256, &body);
        if found != *digest {
            let (found, wanted) = (found.to_string(), digest.to_string());
            return Err(Failure::ManifestDigest { found, wanted, subject });
        }
        Ok((media_type, body))
    }

    async fn open_layer(&self, reference: &Reference, layer: &Layer) -> Result<Response, Failure> {
        let descriptor = &layer.descriptor;
        let digest = Digest::parse_sha256(&descriptor.digest)?;
        if descriptor.size > self.layer_bytes_max {
            let what = format!("layer {digest}");
            return Err(Failure::TooLarge { what, max: self.layer_bytes_max, unit: "bytes" });
        }
        let ask = Ask::new(Method::GET, &["blobs", &digest.to_string()]);
        let response = self.ask(reference, &ask).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(&ask.method, response).await);
        }
        match response.content_length() {
            Some(stated) if stated != descriptor.size => Err(Failure::Malformed {
                what: format!("GET {}", shown(response.url())),
                problem: format!(
                    "Content-Length header {stated} does not match expected size {}",
                    descriptor.size
                ),
            }),
            _ => Ok(response),
        }
    }

    async fn keep_layer(&self, mut response: Response, layer: &Layer) -> Result<Blob, Failure> {
        let wanted = layer.descriptor.size;
        let mut kept = Unchecked::new(&self.temp_dir);
        let mut hash = HashWriter::new(Algorithm::Sha256, std::io::sink());
        let mut size_bytes = 0;
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Failure::Connection(body_text(&error)))?
        {
            size_bytes += chunk.len() as u64;
            if size_bytes > wanted {
                return Err(Failure::BlobSize { found: size_bytes, wanted });
            }
            hash.hash(&chunk);
            kept.append(&chunk).await?;
            self.progress.tell(size_bytes, wanted);
        }
        if size_bytes != wanted {
            return Err(Failure::BlobSize { found: size_bytes, wanted });
        }
        let found = hash.finish().1;
        if found.to_string() != layer.descriptor.digest {
            let (_, wanted) = layer.descriptor.digest.split_once(':').unwrap_or_default();
            let (found, wanted) = (found.hex().to_owned(), wanted.to_owned());
            return Err(Failure::BlobDigest { size_bytes, found, wanted });
        }
        Ok(kept.checked().await?)
    }
}

pub(crate) fn manifest_ask(method: Method, name: &str) -> Ask {
    // A tag with slashes leads where it leads: the registry answers for it.
    let path: Vec<&str> = std::iter::once("manifests").chain(name.split('/')).collect();
    let mut ask = Ask::new(method, &path);
    let accepted =
        [SCHEMA_1, SCHEMA_1_SIGNED, DOCKER_MANIFEST, OCI_MANIFEST, DOCKER_LIST, OCI_INDEX];
    if let Ok(accepted) = HeaderValue::from_str(&accepted.join(",")) {
        ask.headers.insert(ACCEPT, accepted);
    }
    ask
}

pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The digest of a HEAD answer that states all that it must.
fn stated_digest(response: &Response) -> Option<Digest> {
    let headers = response.headers();
    let complete = response.status() == StatusCode::OK
        && headers.contains_key(CONTENT_TYPE)
        && headers.contains_key(CONTENT_LENGTH);
    let digest = Digest::parse_sha256(header_text(headers, DIGEST_HEADER)).ok()?;
    complete.then_some(digest)
}

/// The address of the next page of tags, on the same registry.
pub(crate) fn next_page(response: &Response) -> Result<Option<Url>, Failure> {
    let link = header_text(response.headers(), LINK.as_str());
    let Some((target, _)) = link.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
        return Ok(None);
    };
    let malformed = |problem: &str| Failure::Malformed {
        what: format!("Link of {}", shown(response.url())),
        problem: problem.into(),
    };
    let next = response.url().join(target).map_err(|_| malformed("malformed address"))?;
    if authority(&next) != authority(response.url()) || next.scheme() != response.url().scheme() {
        return Err(malformed("leads to another host"));
    }
    if next == *response.url() {
        return Err(malformed("leads to itself"));
    }
    Ok(Some(next))
}
