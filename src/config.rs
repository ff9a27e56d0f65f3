//! The one configuration: each setting a flag and an environment variable. The field docs are the manual.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

/// Settings of the service and of a worker.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address to listen on; one that is not loopback needs `--insecure-no-auth`.
    #[arg(long, env = "SHIPSHAPE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Listen on an address that others can reach although there are no keys.
    #[arg(long, env = "SHIPSHAPE_INSECURE_NO_AUTH")]
    pub insecure_no_auth: bool,
    /// Directory of the private Postgres, local blobs and caches [default: the user's data directory].
    #[arg(long, env = "SHIPSHAPE_DATA")]
    pub data: Option<PathBuf>,
    /// Postgres to use instead of the private one; the URL names the user.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// Most connections to Postgres of this process.
    #[arg(long, env = "SHIPSHAPE_DATABASE_CONNECTIONS", default_value_t = 20)]
    pub database_connections: u32,
    /// Directory of the Postgres binaries for the private Postgres [default: found on the machine].
    #[arg(long, env = "SHIPSHAPE_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
    /// Where pictures and models lie: a directory or `s3://bucket/prefix` [default: in the data directory].
    #[arg(long, env = "SHIPSHAPE_BLOBS")]
    pub blobs: Option<String>,
    /// Access key of the bucket alone, where it is not at AWS while Rekognition is.
    #[arg(long, env = "SHIPSHAPE_S3_ACCESS_KEY_ID", requires = "s3_secret_access_key")]
    pub s3_access_key_id: Option<String>,
    /// Secret of that key.
    #[arg(
        long,
        env = "SHIPSHAPE_S3_SECRET_ACCESS_KEY",
        hide_env_values = true,
        requires = "s3_access_key_id"
    )]
    pub s3_secret_access_key: Option<SecretString>,
    /// Base URL of Bing.
    #[arg(long, env = "SHIPSHAPE_BING_URL", default_value = "https://www.bing.com")]
    pub bing_url: url::Url,
    /// `host:port` list that the fetch guard lets through although private, for tests and intranets.
    #[arg(long, env = "SHIPSHAPE_ALLOW_HOSTS", value_delimiter = ',')]
    pub allow_hosts: Vec<String>,
    /// Pictures per second from one image host.
    #[arg(long, env = "SHIPSHAPE_HOST_RATE", default_value_t = 5.0, value_parser = positive)]
    pub host_rate: f64,
    /// Downloads at a time from one image host, per process.
    #[arg(long, env = "SHIPSHAPE_HOST_CONCURRENCY", default_value_t = 2)]
    pub host_concurrency: usize,
    /// Who runs this service: a URL or address that image hosts see in the User-Agent.
    #[arg(long, env = "SHIPSHAPE_CONTACT")]
    pub contact: Option<String>,
    /// Rekognition's endpoint [default: AWS's own].
    #[arg(long, env = "AWS_ENDPOINT_URL_REKOGNITION")]
    pub rekognition_url: Option<String>,
    /// Rekognition calls per second over all workers.
    #[arg(long, env = "SHIPSHAPE_REKOGNITION_RATE", default_value_t = 5.0, value_parser = positive)]
    pub rekognition_rate: f64,
    /// Dollars that one Rekognition call costs.
    #[arg(long, env = "SHIPSHAPE_REKOGNITION_PRICE", default_value_t = 0.001, value_parser = not_negative)]
    pub rekognition_price: f64,
    /// Weights of the pretrained network for recipes of the family `mobilenet_v4_small`: timm's `model.safetensors` of
    /// `mobilenetv4_conv_small` on this machine [default: downloaded from the hub when the first such run begins].
    #[arg(long, env = "SHIPSHAPE_BACKBONE_WEIGHTS")]
    pub backbone_weights: Option<PathBuf>,
    /// Weights of the tagger `local`: timm's `model.safetensors` of `mobilenetv4_conv_small` with its classifier on this
    /// machine [default: the pretrained network's, from its path or the hub, when the first job needs them].
    #[arg(long, env = "SHIPSHAPE_TAGGER_WEIGHTS")]
    pub tagger_weights: Option<PathBuf>,
    /// Network of the tagger `zero_shot`: a folder on this machine with `model.safetensors`, `tokenizer.json` and
    /// `config.json` of `google/siglip-base-patch16-224` or a sister of it [default: downloaded from the hub, 0.8 GB, when
    /// the first job needs them].
    #[arg(long, env = "SHIPSHAPE_ZERO_SHOT_WEIGHTS")]
    pub zero_shot_weights: Option<PathBuf>,
    /// SHA-256 of the pretrained network's weights; needed with another repository or revision than the default one.
    #[arg(long, env = "SHIPSHAPE_BACKBONE_SHA256")]
    pub backbone_sha256: Option<String>,
    /// Model hub that they are downloaded from; empty for none.
    #[arg(long, env = "HF_ENDPOINT", default_value = "https://huggingface.co")]
    pub hf_endpoint: String,
    /// Repository of the hub [default: `timm/mobilenetv4_conv_small.e2400_r224_in1k`].
    #[arg(long, env = "SHIPSHAPE_BACKBONE_REPOSITORY", requires = "backbone_sha256")]
    pub backbone_repository: Option<String>,
    /// Commit of the repository [default: a pinned one].
    #[arg(long, env = "SHIPSHAPE_BACKBONE_REVISION", requires = "backbone_sha256")]
    pub backbone_revision: Option<String>,
    /// Largest archive that an upload may be, in bytes.
    #[arg(long, env = "SHIPSHAPE_MAX_UPLOAD", default_value_t = 4 << 30)]
    pub max_upload: u64,
    /// Logs as JSON, one object a line.
    #[arg(long, env = "SHIPSHAPE_LOG_JSON")]
    pub log_json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("must be a number above zero".into()),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(price) if price >= 0.0 && price.is_finite() => Ok(price),
        _ => Err("must be a number, zero or above".into()),
    }
}

impl Config {
    /// The data directory: as set, or `shipshape` in the user's data directory.
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(data) = &self.data {
            return Ok(std::path::absolute(data)?);
        }
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
        let base = base.ok_or_else(|| anyhow::anyhow!("no HOME: set SHIPSHAPE_DATA"))?;
        Ok(base.join("shipshape"))
    }

    /// How shipshape names itself to other services.
    pub fn user_agent(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match &self.contact {
            Some(contact) => format!("shipshape/{version} (+{contact})"),
            None => format!("shipshape/{version}"),
        }
    }

    /// Refuses an open address without keys.
    pub fn check_listen(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.listen.ip().is_loopback() || self.insecure_no_auth,
            "{} can be reached by others, and there are no keys yet: listen on 127.0.0.1, or give \
             --insecure-no-auth behind a proxy that asks who is there",
            self.listen
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        Cli::try_parse_from([&["shipshape"], arguments].concat()).map(|cli| cli.config)
    }

    #[test]
    fn an_open_address_needs_the_word_insecure() {
        let open = parse(&["--listen", "0.0.0.0:80"]).unwrap();
        assert!(open.check_listen().is_err());
        let meant = parse(&["--listen", "0.0.0.0:80", "--insecure-no-auth"]).unwrap();
        assert!(meant.check_listen().is_ok());
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        let config = parse(&["--database-url", "postgres://u:hunter2@h/d"]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_rate_of_zero_is_refused() {
        assert!(parse(&["--host-rate", "0"]).is_err());
    }
}
