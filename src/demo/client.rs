//! A thin client of the public API: JSON in, JSON out, problems as errors.

use anyhow::{Context as _, anyhow};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use url::Url;

use super::collection::Picture;

/// The service, as a client on the outside sees it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    pub(super) fn new(base_url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().context("no HTTP client")?;
        Ok(Self { http, base: Url::parse(base_url).context("the service's URL")? })
    }

    /// A URL below the base; each part becomes one path segment, whatever characters it has.
    fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    fn request(&self, method: Method, parts: &[&str]) -> RequestBuilder {
        self.http.request(method, self.url(parts))
    }

    pub(super) async fn get(&self, parts: &[&str]) -> anyhow::Result<Value> {
        self.answered(self.request(Method::GET, parts)).await
    }

    pub(super) async fn post(&self, parts: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.answered(self.request(Method::POST, parts).json(body)).await
    }

    /// Creates something and gives back its id.
    pub(super) async fn create(&self, parts: &[&str], body: &Value) -> anyhow::Result<String> {
        let made = self.post(parts, body).await?;
        let id = made["id"].as_str().map(str::to_owned);
        id.with_context(|| format!("the answer to POST /{} has no id: {made}", parts.join("/")))
    }

    /// Sends pictures as the multipart field `image`.
    pub(super) async fn send_pictures(
        &self,
        method: Method,
        parts: &[&str],
        pictures: &[Picture],
    ) -> anyhow::Result<Value> {
        let mut form = Form::new();
        for picture in pictures {
            let name = picture.name.rsplit('/').next().unwrap_or_default().to_owned();
            let part = Part::stream(picture.bytes.clone()).file_name(name);
            let kind =
                image::guess_format(&picture.bytes).map_or("image/jpeg", |f| f.to_mime_type());
            form = form.part("image", part.mime_str(kind)?);
        }
        self.answered(self.request(method, parts).multipart(form)).await
    }

    /// All items of a keyset-paged list.
    pub(super) async fn list(
        &self,
        parts: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut url = self.url(parts);
            url.query_pairs_mut().extend_pairs(query);
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let mut page = self.answered(self.http.get(url)).await?;
            let Value::Array(more) = page["items"].take() else {
                return Err(anyhow!("GET /{} answered no items", parts.join("/")));
            };
            items.extend(more);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    async fn answered(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let request = request.build().context("the request cannot be built")?;
        let what = format!("{} {}", request.method(), request.url().path());
        let answer = self.http.execute(request).await.with_context(|| what.clone())?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| what.clone())?;
        if !status.is_success() {
            return Err(anyhow!("{what} answered {status}: {}", in_words(&text)));
        }
        // Some calls, such as an activation, may answer with nothing.
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{what} answered no JSON: {text}"))
    }
}

/// A problem's title, detail and code, or the text as it is.
fn in_words(text: &str) -> String {
    let Ok(problem) = serde_json::from_str::<Value>(text) else {
        return text.chars().take(300).collect();
    };
    let part = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    let errors = match &problem["errors"] {
        Value::Array(errors) if !errors.is_empty() => format!(" {}", problem["errors"]),
        _ => String::new(),
    };
    format!("{} – {} ({}){errors}", part("title"), part("detail"), part("code"))
}
