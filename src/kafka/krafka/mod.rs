//! krafka, the client behind the seam. Nothing else names it.
//!
//! It does its own networking and its own retries, and logs what brokers say; of libraries this program logs nothing.

mod consumer;
mod errors;
mod producer;
mod security;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use krafka::{Kafka, KafkaBuilder};

use self::consumer::KrafkaConsumer;
use self::errors::broker_error;
use self::producer::KrafkaProducer;
use self::security::Security;
use super::connection::ConnectionSettings;
use nordpass_env::Env;
use nordpass_env::kafka::{
    Broker, BrokerError, Consumer, ConsumerSettings, ErrorCode, Producer, ProducerSettings, RebalanceListener, Trouble,
};

/// Event Hubs closes connections that are idle for 240 s.
const MAX_IDLE: Duration = Duration::from_secs(180);
/// How long one call of the client may take to set something up.
const SETUP_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest answer, in bytes: twice what a fetch asks for, since the first batch of a partition is sent whole.
const MAX_RESPONSE_BYTES: usize = 32 << 20;

/// A cluster behind krafka.
pub struct KrafkaBroker {
    way: Way,
    /// The connections, once there are some. Producers and consumers share them.
    connected: tokio::sync::Mutex<Option<Kafka>>,
}

/// How the cluster is reached.
enum Way {
    Settings {
        settings: Box<ConnectionSettings>,
        security: Security,
    },
    /// A broker of krafka's own, in this process.
    #[cfg(test)]
    Builder(Box<dyn Fn() -> KafkaBuilder + Send + Sync>),
}

impl KrafkaBroker {
    /// A cluster of these settings. The error is a sentence about them.
    pub fn new(settings: &ConnectionSettings, env: &Env) -> Result<Self, String> {
        let security = Security::new(settings, env)?;
        Ok(Self {
            way: Way::Settings { settings: Box::new(settings.clone()), security },
            connected: tokio::sync::Mutex::default(),
        })
    }

    /// A cluster that is reached as this says.
    #[cfg(test)]
    pub fn of(builder: impl Fn() -> KafkaBuilder + Send + Sync + 'static) -> Self {
        Self { way: Way::Builder(Box::new(builder)), connected: tokio::sync::Mutex::default() }
    }

    async fn builder(&self) -> Result<KafkaBuilder, BrokerError> {
        match &self.way {
            Way::Settings { settings, security } => {
                let mut builder = Kafka::builder(settings.bootstrap_servers.join(","))
                    .client_id("nordpass-sentinel")
                    .request_timeout(settings.http.request_timeout)
                    .connect_timeout(settings.connect_timeout())
                    .metadata_max_age(MAX_IDLE)
                    .connections_max_idle(Some(MAX_IDLE))
                    .max_response_size(MAX_RESPONSE_BYTES)
                    .allow_auto_create_topics(false);
                if let Some(auth) = security.auth().await? {
                    builder = builder.security(auth);
                }
                Ok(builder)
            }
            #[cfg(test)]
            Way::Builder(builder) => Ok(builder()),
        }
    }

    /// The connections. They are made again after a failure, with the credential as it is then.
    async fn kafka(&self) -> Result<Kafka, BrokerError> {
        let mut connected = self.connected.lock().await;
        if let Some(kafka) = &*connected {
            return Ok(kafka.clone());
        }
        let connecting = bounded(self.builder().await?.connect());
        let kafka = connecting.await.map_err(|error| self.explained(error));
        if let Err(error) = &kafka {
            self.refused(error);
        }
        *connected = kafka.as_ref().ok().cloned();
        kafka
    }

    /// When the credential is refused, the next one is another, and so are the connections.
    async fn look_at(&self, error: &BrokerError) {
        if matches!(error.trouble, Trouble::Authentication | Trouble::NoCredential(_)) {
            *self.connected.lock().await = None;
            self.refused(error);
        }
    }

    fn refused(&self, error: &BrokerError) {
        if let (Way::Settings { security, .. }, Trouble::Authentication) = (&self.way, &error.trouble) {
            security.refused();
        }
    }

    /// Does something with the connections.
    async fn with<T>(&self, work: impl AsyncFnOnce(Kafka) -> Result<T, BrokerError>) -> Result<T, BrokerError> {
        let kafka = self.kafka().await?;
        let result = work(kafka).await.map_err(|error| self.explained(error));
        if let Err(error) = &result {
            self.look_at(error).await;
        }
        result
    }

    /// Says why there is no credential, where that is behind an error.
    fn explained(&self, error: BrokerError) -> BrokerError {
        let reason = match &self.way {
            Way::Settings { security, .. } => security.no_credential(),
            #[cfg(test)]
            Way::Builder(_) => None,
        };
        match (&error.trouble, reason) {
            (Trouble::Authentication | Trouble::Network | Trouble::Timeout, Some(reason)) => {
                BrokerError { trouble: Trouble::NoCredential(reason), ..error }
            }
            _ => error,
        }
    }
}

/// Waits for a call of the client, for a bounded time.
async fn bounded<T>(call: impl Future<Output = krafka::Result<T>>) -> Result<T, BrokerError> {
    match tokio::time::timeout(SETUP_TIMEOUT, call).await {
        Ok(result) => result.map_err(|error| broker_error(&error)),
        Err(_) => Err(BrokerError::new(Trouble::Timeout)),
    }
}

impl Broker for KrafkaBroker {
    fn partitions<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Vec<i32>, BrokerError>> {
        Box::pin(self.with(async |kafka| {
            let consumer = bounded(kafka.consumer_without_group().metrics_push(false).build()).await?;
            let found = bounded(consumer.fetch_metadata(Some(topic))).await;
            let _ = bounded(consumer.close()).await;
            let missing = || BrokerError::code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            let found = found?;
            let topic = found.topics.first().ok_or_else(missing)?;
            let mut partitions: Vec<i32> = topic.partitions_iter().map(|partition| partition.partition).collect();
            partitions.sort_unstable();
            if partitions.is_empty() { Err(missing()) } else { Ok(partitions) }
        }))
    }

    fn producer(&self, settings: ProducerSettings) -> BoxFuture<'_, Result<Arc<dyn Producer>, BrokerError>> {
        Box::pin(self.with(async move |kafka| {
            let producer = bounded(producer::builder(&kafka, &settings).build()).await?;
            Ok(Arc::new(KrafkaProducer::new(producer, &settings)) as Arc<dyn Producer>)
        }))
    }

    fn consumer(
        &self,
        settings: ConsumerSettings,
        listener: Arc<dyn RebalanceListener>,
    ) -> BoxFuture<'_, Result<Arc<dyn Consumer>, BrokerError>> {
        Box::pin(self.with(async move |kafka| {
            let consumer = bounded(consumer::builder(&kafka, &settings, listener).build()).await?;
            if let Err(error) = bounded(consumer.subscribe(&settings.topics)).await {
                let _ = bounded(consumer.close()).await;
                return Err(error);
            }
            Ok(Arc::new(KrafkaConsumer::new(consumer)) as Arc<dyn Consumer>)
        }))
    }
}
