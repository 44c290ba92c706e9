//! The command line of `lodestar starstate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with a document and a router.
#[derive(Debug, Subcommand)]
pub enum StarStateCommand {
    /// Check a document. No router is needed.
    Validate(ValidateArguments),
    /// Print a document with the networks and addresses that it leaves open filled in. No router is needed.
    Complete(CompleteArguments),
    /// Show what applying a document would do. Nothing is written.
    Plan(PlanArguments),
    /// Make a router what a document says, or leave it as it was. Goes on with an attempt that was interrupted.
    Apply(ApplyArguments),
    /// Show what somebody has changed by hand since a document was applied.
    Drift(HeldArguments),
    /// Take back what the last document did: the router is what it was before it.
    Rollback(HeldArguments),
    /// Take everything of ours from a router, whichever document did it.
    Remove(HeldArguments),
}

/// Options of `starstate validate`.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// The document, JSON.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print the issues as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `starstate complete`.
#[derive(Debug, Args)]
pub struct CompleteArguments {
    /// The document, JSON.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Options of `starstate plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The document, JSON.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which router.
    #[command(flatten)]
    pub router: RouterArguments,
    /// Plan to change rows of others that are in the way.
    #[arg(long)]
    pub take_over: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `starstate apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// The document, JSON.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which router.
    #[command(flatten)]
    pub router: RouterArguments,
    /// Apply only the plan with this fingerprint, as `plan` has printed it.
    #[arg(long, value_name = "FINGERPRINT")]
    pub reviewed: Option<String>,
    /// Change rows of others that are in the way.
    #[arg(long)]
    pub take_over: bool,
    /// Make also changes that may cut the way to the router and that nothing would take back.
    #[arg(long)]
    pub allow_cut: bool,
    /// Write what the router made itself, such as public keys and certificates, into this file, JSON. It holds secrets.
    #[arg(long, value_name = "FILE")]
    pub generated: Option<PathBuf>,
    /// Write the files that people need to call the router's VPN servers into this directory. Some hold secrets.
    #[arg(long, value_name = "DIR")]
    pub client_files: Option<PathBuf>,
    /// The public address or name of the router in those files [default: that of --router].
    #[arg(long, value_name = "HOST", requires = "client_files")]
    pub public_address: Option<String>,
    /// Print what happens as JSON, one object per line.
    #[arg(long)]
    pub json: bool,
}

/// Options of commands about what is on a router already.
#[derive(Debug, Args)]
pub struct HeldArguments {
    /// The document that was applied; another one than that is an error.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Which router.
    #[command(flatten)]
    pub router: RouterArguments,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How a router is reached, and where its sessions are kept.
#[derive(Debug, Clone, Args)]
pub struct RouterArguments {
    /// The router's address, with the port of its API unless that is 8729 (with TLS) or 8728 (without).
    #[arg(long, value_name = "ADDR", env = "LODESTAR_ROUTER")]
    pub router: String,
    /// Who logs in.
    #[arg(long, value_name = "NAME", env = "LODESTAR_ROUTER_USER")]
    pub user: String,
    /// A file with the password; or LODESTAR_ROUTER_PASSWORD.
    #[arg(long, value_name = "FILE", env = "LODESTAR_ROUTER_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// The SHA-256 of the router's certificate: TLS with no other one.
    #[arg(long, value_name = "SHA256", group = "trust", env = "LODESTAR_ROUTER_TLS_FINGERPRINT")]
    pub tls_fingerprint: Option<String>,
    /// Certificates that the router's must lead to, PEM: TLS.
    #[arg(long, value_name = "FILE", group = "trust", env = "LODESTAR_ROUTER_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// Speak without TLS to a router on another machine: whoever is on the way sees passwords and keys.
    #[arg(long, group = "trust", env = "LODESTAR_ROUTER_PLAIN")]
    pub plain: bool,
    /// Speak REST, at port 443 with TLS or 80 without: where only HTTP passes. REST has no safe mode.
    #[arg(long, env = "LODESTAR_ROUTER_REST")]
    pub rest: bool,
    /// Where sessions are kept, in the folder `starstate` [default: ./lodestar-data].
    #[arg(long, value_name = "DIR", env = "LODESTAR_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}
