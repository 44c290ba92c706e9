//! Lists of collections: query, projection, sort, skip, limit; written while they are read, so that length costs no memory.

use acs_core::query::{self, Projection, Query, QueryError, Sort};
use bytes::Bytes;
use futures_util::stream;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName};
use serde_json::Value as Json;
use store::{Find, Listing, Records, ScopedStore, StoreError, device_document};

use super::routes::Listed;
use super::target::{Parameters, Segment};
use super::{device_id, secrets, summary};
use crate::answer::{Answer, Refusal};

/// The number of matches, whatever `skip` and `limit` say.
pub const TOTAL: HeaderName = HeaderName::from_static("total");
/// Says that secrets are left out, for those who would take `***` for a value.
const MASKED: HeaderName = HeaderName::from_static("lodestar-masked");
/// Documents are sent in pieces of about this size.
const PIECE: usize = 32 * 1024;

/// What was asked for.
struct Request {
    find: Find,
    view: View,
    /// What the client should know of how its query was understood.
    warning: Option<String>,
}

/// How documents are shown.
#[derive(Debug, Clone)]
pub struct View {
    listed: Listed,
    projection: Projection,
    reveal: bool,
}

/// The answer to GET or HEAD on a collection.
pub async fn list(
    store: &ScopedStore,
    listed: Listed,
    parameters: &Parameters,
    reveal: bool,
    is_head: bool,
) -> Result<Answer, Refusal> {
    let Request { find, view, warning } = read_request(store, listed, parameters, reveal).await?;
    let total = match listed {
        Listed::Devices => store.count_devices(find.filter.clone()).await?,
        Listed::Documents(listing) => store.count(listing, find.filter.clone()).await?,
    };
    let answer = if is_head {
        Answer::empty(StatusCode::OK).header(CONTENT_TYPE, "application/json")
    } else {
        match listed {
            Listed::Devices => {
                let show = move |device| view.show(device_document(&device));
                stream_of(store.find_devices(find).await?, show).await?
            }
            Listed::Documents(listing) => {
                stream_of(store.find(listing, find).await?, move |document| view.show(document)).await?
            }
        }
    };
    let answer = if reveal { answer } else { answer.header(MASKED, "true") };
    Ok(answer.header(TOTAL, &total.to_string()).warnings(warning))
}

impl View {
    /// A view as the parameters ask for.
    pub fn read(listed: Listed, parameters: &Parameters, reveal: bool) -> Result<View, Refusal> {
        let projection = Projection::parse(parameters.get("projection")).map_err(|error| refusal(&error))?;
        let without_dots = |names: Vec<String>| -> Vec<String> {
            names.iter().map(|name| name.trim_end_matches('.').to_owned()).filter(|name| !name.is_empty()).collect()
        };
        let projection = match projection {
            Projection::All => Projection::All,
            Projection::Include(names) => Projection::Include(without_dots(names)),
            Projection::Exclude(names) => Projection::Exclude(without_dots(names)),
        };
        Ok(View { listed, projection, reveal })
    }

    /// A document as this view shows it.
    pub fn show(&self, mut document: Json) -> Json {
        if self.listed == Listed::Devices && summary::is_wanted(&self.projection) {
            document["summary"] = summary::of_document(&document);
        }
        // Before the projection, which may leave out the name that makes a value a secret.
        if !self.reveal {
            secrets::mask(self.listed, &mut document);
        }
        match self.projection {
            Projection::All => document,
            _ => self.projection.apply(&document),
        }
    }
}

async fn read_request(
    store: &ScopedStore,
    listed: Listed,
    parameters: &Parameters,
    reveal: bool,
) -> Result<Request, Refusal> {
    let collection = listed.name();
    let mut json = match parameters.get("query") {
        "" => Json::Null,
        text => serde_json::from_str(text).map_err(|error| Refusal::BadRequest(format!("SyntaxError: {error}")))?,
    };
    trim_names(&mut json);
    let warning = correct_device(store, listed, &mut json).await?;
    let filter = query::nbi::parse(collection, &json).map_err(|error| refusal(&error))?;
    let sort = read_sort(collection, parameters.get("sort"))?;
    if !reveal {
        refuse_secrets(listed, &filter, &sort)?;
    }
    let number = |name| parameters.number(name).map_err(Refusal::BadRequest);
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let find = Find {
        filter,
        sort,
        skip: number("skip")?.map_or(0, size),
        // As in MongoDB, a limit of 0 is none.
        limit: number("limit")?.filter(|limit| *limit > 0).map(size),
    };
    Ok(Request { find, view: View::read(listed, parameters, reveal)?, warning })
}

fn read_sort(collection: &str, text: &str) -> Result<Vec<Sort>, Refusal> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut json = serde_json::from_str(text).map_err(|error| Refusal::BadRequest(format!("SyntaxError: {error}")))?;
    trim_names(&mut json);
    query::nbi::parse_sort(collection, &json).map_err(|error| refusal(&error))
}

/// What is wrong with a query, as an answer.
fn refusal(error: &QueryError) -> Refusal {
    let kind = if matches!(error, QueryError::Json(_)) { "SyntaxError" } else { "QueryError" };
    Refusal::BadRequest(format!("{kind}: {error}"))
}

/// Drops the dots that some clients leave at the end of names.
fn trim_names(json: &mut Json) {
    match json {
        Json::Object(map) => {
            let entries = std::mem::take(map);
            for (name, mut value) in entries {
                trim_names(&mut value);
                map.insert(name.trim_end_matches('.').to_owned(), value);
            }
        }
        Json::Array(list) => list.iter_mut().for_each(trim_names),
        _ => {}
    }
}

/// A query for one device, by an ID that there is not, is taken for the device that the ID means.
async fn correct_device(store: &ScopedStore, listed: Listed, query: &mut Json) -> Result<Option<String>, Refusal> {
    let field = match listed {
        Listed::Devices => "_id",
        Listed::Documents(Listing::Tasks | Listing::Faults | Listing::Transfers | Listing::Uploads) => "device",
        Listed::Documents(_) => return Ok(None),
    };
    let Some(text) = query.get(field).and_then(Json::as_str) else { return Ok(None) };
    // A pattern is not an ID.
    if text.contains('*') || text.starts_with('/') {
        return Ok(None);
    }
    let given = Segment { raw: text.to_owned(), text: text.to_owned() };
    match device_id::resolve(store, &given).await {
        Ok(Some(found)) => {
            let warning = found.warning();
            query[field] = found.id.into();
            Ok(warning)
        }
        Ok(None) | Err(Refusal::Conflict(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

fn refuse_secrets(listed: Listed, filter: &Query, sort: &[Sort]) -> Result<(), Refusal> {
    let fields = filter.fields();
    let mut fields = fields.iter().chain(sort.iter().map(|sort| &sort.field));
    match fields.find(|field| secrets::is_secret_field(listed, field)) {
        None => Ok(()),
        Some(field) => Err(Refusal::Forbidden(format!(
            "without `reveal` nobody may search or sort by {field}, which may be a secret"
        ))),
    }
}

/// `[`, one document per line with commas at the ends, `]`. The first document is waited for, so that a failure that comes at once
/// is an answer of its own.
async fn stream_of<T, Show>(records: Records<T>, show: Show) -> Result<Answer, StoreError>
where
    T: Send + 'static,
    Show: Fn(T) -> Json + Send + 'static,
{
    let mut lines = Lines { records, show, piece: b"[\n".to_vec(), is_first: true };
    if let Some(record) = lines.records.next().await {
        lines.write(record?);
    }
    let pieces = stream::unfold(Some(lines), |lines| async move { lines?.next_piece().await });
    Ok(Answer::stream("application/json", pieces))
}

/// A list while it is written.
struct Lines<T, Show> {
    records: Records<T>,
    show: Show,
    piece: Vec<u8>,
    is_first: bool,
}

impl<T, Show: Fn(T) -> Json> Lines<T, Show> {
    fn write(&mut self, record: T) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.piece.extend_from_slice(b",\n");
        }
        self.piece.extend_from_slice((self.show)(record).to_string().as_bytes());
    }

    /// The next piece, and the rest; `None` behind the last one.
    async fn next_piece(mut self) -> Option<(Result<Bytes, StoreError>, Option<Self>)> {
        while self.piece.len() < PIECE {
            match self.records.next().await {
                Some(Ok(record)) => self.write(record),
                Some(Err(error)) => {
                    tracing::error!(target: "nbi", %error, "a list is cut off");
                    return Some((Err(error), None));
                }
                None => {
                    if let Some(parameter) = self.records.report().suggestion {
                        tracing::info!(target: "nbi", parameter, "an index on this parameter would have helped a query");
                    }
                    self.piece.extend_from_slice(b"\n]");
                    return Some((Ok(self.piece.into()), None));
                }
            }
        }
        let piece = std::mem::take(&mut self.piece);
        Some((Ok(piece.into()), Some(self)))
    }
}
