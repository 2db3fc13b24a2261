//! Requests to the API server: each has a time limit, and each is counted, by method and status.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use hyper::{Request, Response};
use tower::{Layer, Service};

use crate::{Error, metrics::Metrics};

/// How long one request may take; the client's own retries would go on for very long.
const LONGEST: Duration = Duration::from_secs(15);

/// What a request gives, where it does in time.
///
/// # Errors
/// The API server's, or that it does not answer; with what was being done.
pub(crate) async fn in_time<T>(
    doing: impl Into<String>,
    request: impl Future<Output = kube::Result<T>>,
) -> crate::Result<T> {
    match tokio::time::timeout(LONGEST, request).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Error::kubernetes(doing, error)),
        Err(_elapsed) => Err(Error::Timeout {
            doing: doing.into(),
            seconds: LONGEST.as_secs(),
        }),
    }
}

/// A layer of the client.
#[derive(Clone)]
pub(crate) struct CountRequests(Arc<Metrics>);

/// The client below, counted.
#[derive(Clone)]
pub(crate) struct Counted<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl CountRequests {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self(metrics)
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            metrics: Arc::clone(&self.0),
        }
    }
}

impl<S, A, B> Service<Request<A>> for Counted<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let method = request.method().as_str().to_owned();
        let answer = self.inner.call(request);
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer
                .as_ref()
                .map_or("error".to_owned(), |answer| answer.status().as_str().to_owned());
            metrics
                .kube_requests
                .with_label_values(&[method.as_str(), code.as_str()])
                .inc();
            answer
        })
    }
}
