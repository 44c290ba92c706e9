//! Which of a document's routers is meant. Pure.
//!
//! In trunk mode a document is about several routers: a master with the uplinks, and slaves behind its trunk port. Not here: what each
//! of them gets ([`crate::decompose`]).

use crate::issue::Issue;
use crate::state::{RouterMode, RouterModel, StarState};

/// Which of a document's routers is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// The one with the uplinks.
    #[default]
    Master,
    /// One behind the master's trunk port: the one at this place of `choose.routerModels`, from 0.
    Slave(usize),
}

impl Role {
    /// The role of an entry of `choose.routerModels`, from 0; the master's when none is named.
    ///
    /// # Errors
    /// When there is no such entry, or the document makes nothing of it.
    pub fn of_entry(state: &StarState, entry: Option<usize>) -> Result<Role, Issue> {
        let Some(entry) = entry else { return Ok(Role::Master) };
        if state.choose.router_models.get(entry).is_some_and(|model| model.is_master) {
            return Ok(Role::Master);
        }
        let role = Role::Slave(entry);
        role.check(state).map(|()| role)
    }

    /// The role of the router that a document names itself, `choose.router`; the master's when it names none.
    ///
    /// # Errors
    /// When there is no such router, or the document makes nothing of it.
    pub fn of_document(state: &StarState) -> Result<Role, Issue> {
        let named = state.choose.router.map(usize::try_from).transpose();
        let entry = named.map_err(|_| Issue::error("$.choose.router", "places are counted from 0"))?;
        Role::of_entry(state, entry)
    }

    /// Whether the document knows a router of this role.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(self, state: &StarState) -> Result<(), Issue> {
        let Role::Slave(entry) = self else { return Ok(()) };
        let models = &state.choose.router_models;
        let at = format!("$.choose.routerModels[{entry}]");
        let Some(model) = models.get(entry) else {
            return Err(Issue::error(at, format!("there is no such router, the document knows {}", models.len())));
        };
        if model.is_master {
            return Err(Issue::error(at, "this router is the master, not a slave"));
        }
        if state.choose.router_mode != RouterMode::Trunk {
            return Err(Issue::error("$.choose.routerMode", "there are slaves only in Trunk Mode"));
        }
        if model.master_slave_interface.trim().is_empty() {
            let message = "a slave needs the interface by which it is connected to the master";
            return Err(Issue::error(format!("{at}.masterSlaveInterface"), message));
        }
        Ok(())
    }

    /// The entry of `choose.routerModels`, with its place. The master is the first that says so, else the first of all.
    pub fn model(self, state: &StarState) -> Option<(usize, &RouterModel)> {
        let models = &state.choose.router_models;
        let entry = match self {
            Role::Master => models.iter().position(|model| model.is_master).unwrap_or(0),
            Role::Slave(entry) => entry,
        };
        Some((entry, models.get(entry)?))
    }

    /// The entry of `choose.routerModels`, with its place, of a router that is on a trunk.
    pub fn trunk(self, state: &StarState) -> Option<(usize, &RouterModel)> {
        let has_trunk = |model: &RouterModel| {
            state.choose.router_mode == RouterMode::Trunk && !model.master_slave_interface.trim().is_empty()
        };
        self.model(state).filter(|(_, model)| has_trunk(model))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(mode: &str) -> StarState {
        let models = json!([
            {"isMaster": false, "model": "hAP ax2", "masterSlaveInterface": "ether1"},
            {"isMaster": true, "model": "RB5009", "masterSlaveInterface": "ether8"},
            {"isMaster": false, "model": "cAP ax"},
        ]);
        crate::state::read(&json!({"choose": {"routerMode": mode, "routerModels": models}})).state
    }

    #[test]
    fn entries_have_roles() {
        let cases = [
            ("Trunk Mode", None, Ok(Role::Master)),
            ("Trunk Mode", Some(0), Ok(Role::Slave(0))),
            ("Trunk Mode", Some(1), Ok(Role::Master)),
            ("Trunk Mode", Some(2), Err("$.choose.routerModels[2].masterSlaveInterface")),
            ("Trunk Mode", Some(3), Err("$.choose.routerModels[3]")),
            ("AP Mode", None, Ok(Role::Master)),
            ("AP Mode", Some(1), Ok(Role::Master)),
            ("AP Mode", Some(0), Err("$.choose.routerMode")),
        ];
        for (mode, entry, expected) in cases {
            let found = Role::of_entry(&document(mode), entry).map_err(|issue| issue.path);
            assert_eq!(found, expected.map_err(str::to_owned), "{mode} {entry:?}");
        }
        assert!(Role::Slave(1).check(&document("Trunk Mode")).is_err(), "the master is no slave");
    }

    #[test]
    fn a_document_may_name_the_router_that_it_is_for() {
        let role = |router: Option<i64>| {
            let mut document = document("Trunk Mode");
            document.choose.router = router;
            Role::of_document(&document).map_err(|issue| issue.path)
        };
        assert_eq!(role(None), Ok(Role::Master));
        assert_eq!(role(Some(0)), Ok(Role::Slave(0)));
        assert_eq!(role(Some(1)), Ok(Role::Master));
        assert_eq!(role(Some(-1)), Err("$.choose.router".to_owned()));
        assert_eq!(role(Some(3)), Err("$.choose.routerModels[3]".to_owned()));
    }

    #[test]
    fn a_router_is_on_a_trunk_when_it_has_a_port_for_it() {
        let port = |mode: &str, role: Role| {
            role.trunk(&document(mode)).map(|(entry, model)| (entry, model.master_slave_interface.clone()))
        };
        assert_eq!(port("Trunk Mode", Role::Master), Some((1, "ether8".to_owned())));
        assert_eq!(port("Trunk Mode", Role::Slave(0)), Some((0, "ether1".to_owned())));
        assert_eq!(port("Trunk Mode", Role::Slave(2)), None);
        assert_eq!(port("AP Mode", Role::Master), None);
    }
}
