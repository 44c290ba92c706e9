//! Operations on deployment units, as ChangeDUState asks for them (TR-069 Annex A.4.1.10).

/// One of the Operations of ChangeDUState. Texts that were not given are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitOperation {
    /// By the operation's `xsi:type`.
    pub kind: UnitOperationKind,
    /// Where to fetch the unit (Install, Update).
    pub url: String,
    /// The unit.
    pub uuid: String,
    /// Its version (Update, Uninstall).
    pub version: String,
    /// User name for the file server, or empty (Install, Update).
    pub username: String,
    /// Password for the file server, or empty (Install, Update).
    pub password: String,
    /// The execution environment (Install, Uninstall).
    pub execution_env_ref: String,
}

/// What is done with a deployment unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitOperationKind {
    /// InstallOpStruct.
    #[default]
    Install,
    /// UpdateOpStruct.
    Update,
    /// UninstallOpStruct.
    Uninstall,
}

impl UnitOperationKind {
    /// As OperationPerformed spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Install => "Install",
            Self::Update => "Update",
            Self::Uninstall => "Uninstall",
        }
    }

    /// The elements of the operation's struct, in the schema's order.
    pub(super) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Install => &["URL", "UUID", "Username", "Password", "ExecutionEnvRef"],
            Self::Update => &["UUID", "Version", "URL", "Username", "Password"],
            Self::Uninstall => &["UUID", "Version", "ExecutionEnvRef"],
        }
    }
}
