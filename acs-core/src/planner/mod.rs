//! The planner: from what is known and what is declared to the smallest next step.
//!
//! It has no memory of its own. After each answer the session asks again, and what is satisfied drops out. What a cycle must
//! remember (refusals, half-made instances) is in the [`Ledger`]. Reads come before writes; writes go in the order
//! DeleteObject, AddObject, SetParameterValues, SetParameterAttributes, Download, Upload, ScheduleDownload, ChangeDUState,
//! ScheduleInform, Reboot, FactoryReset.

mod commands;
mod discovery;
mod instances;
mod ledger;
mod writes;

pub use discovery::Demand;
pub use ledger::{Creation, CreationStage, Ledger, QueuedChange, Refusal};
pub use writes::PendingSet;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::declaration::{Declaration, Freshness};
use crate::entries::EntryKind;
use crate::path::Alias;
use crate::rpc::AcsRequest;
use crate::session::settings::Settings;
use crate::tree::{DeviceTree, NodeId};
use crate::value::{TypedValue, Value};

/// Which sources (provisions, by their place in the level) something concerns.
pub type Sources = BTreeSet<u32>;

/// A declaration as it counts now.
#[derive(Debug, Clone, Copy)]
pub struct Effective<'a> {
    /// What is declared.
    pub declaration: &'a Declaration,
    /// Which source declares it.
    pub source: u32,
    /// Higher wins, and is written first.
    pub weight: i64,
    /// Whether it may be written now.
    pub role: Role,
}

/// What counts of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Active,
    /// Its reads; its writes wait.
    Deferred,
    /// Nothing any more, except that lower weights must not undo it.
    Satisfied,
}

impl Effective<'_> {
    fn is_active(&self) -> bool {
        self.role == Role::Active
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is not stored")]
pub enum Step {
    /// Ask or tell the device.
    Request(AcsRequest, Purpose),
    /// Send these one after the other, before anything is planned anew.
    Queue(Vec<QueuedChange>),
    /// Change what the server itself keeps.
    Local(Vec<LocalChange>),
    /// Run the get scripts of these virtual parameters: what is demanded of each, and by whom.
    GetVirtualParameters(BTreeMap<Arc<str>, (Freshness, Sources)>),
    /// Run the set scripts of these virtual parameters.
    SetVirtualParameters(Vec<VirtualParameterSet>),
    /// Everything that may be done is done.
    Satisfied,
}

/// Why a request is sent: for attributing faults, and for applying the answer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Purpose {
    /// To know something.
    Read {
        /// Who wants to know.
        sources: Sources,
    },
    /// SetParameterValues: one entry per parameter, in the request's order.
    SetValues(Vec<PendingSet>),
    /// SetParameterAttributes: one entry per parameter, in the request's order.
    SetAttributes(Vec<AttributesWish>),
    /// A queued DeleteObject or AddObject.
    Change(QueuedChange),
    /// The keys of a new instance are read.
    CreationRead,
    /// The keys of a new instance are set.
    CreationSet(Vec<PendingSet>),
    /// A half-made instance is taken back.
    CreationUndo,
    /// What the device is to do beside its parameters: files, deployment units, restarts.
    Command {
        /// Who wants it.
        sources: Sources,
        /// The entries below the RPC's root, in the order of the request; empty for RPCs without entries.
        instances: Vec<String>,
    },
    /// A request that a provision asks for as it is.
    Direct {
        /// Who wants it.
        source: u32,
    },
    /// Which RPCs the device knows, before one is sent that its version of CWMP does not have.
    Methods,
}

/// What stands behind one entry of SetParameterAttributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AttributesWish {
    /// Who wants it.
    pub source: u32,
    /// Whether it gets a plainer notification than is wanted.
    pub is_plainer: bool,
}

/// A change of what the server itself keeps.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalChange {
    /// Set (`Some`) or remove (`None`) a tag; who wants it, and where that was declared.
    Tag(Arc<str>, Option<Value>, u32, String),
    /// Make sure that a local root exists.
    EnsureRoot(&'static str),
    /// Add an entry below one of the roots with entries, with initial fields.
    AddEntry(&'static EntryKind, Vec<(String, String)>),
    /// Remove an entry.
    RemoveEntry(NodeId),
    /// Set a field of an entry.
    SetEntryField(NodeId, TypedValue, Arc<str>),
}

/// A virtual parameter to be set.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualParameterSet {
    /// Its name.
    pub name: Arc<str>,
    /// The coerced value.
    pub value: TypedValue,
    /// Who wants it.
    pub source: u32,
    /// Where that was declared.
    pub origin: String,
}

/// What a planner looks at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What is known.
    pub tree: &'a DeviceTree,
    /// What is declared, by ascending weight and then in order: the last one wins.
    pub declarations: &'a [Effective<'a>],
    /// The device's settings.
    pub settings: &'a Settings,
    /// What the cycle remembers.
    pub ledger: &'a Ledger,
    /// All virtual parameters' names.
    pub virtual_parameters: &'a [Arc<str>],
    /// The session's timestamp.
    pub timestamp: i64,
}

/// Finds the next step.
pub fn next_step(situation: Situation<'_>) -> Step {
    if let Some(step) = ledger::unfinished_change(&situation) {
        return step;
    }
    let mut planner = Planner::new(situation);
    planner.discover();
    if let Some(step) = planner.next_read() {
        return step;
    }
    planner.next_write()
}

/// One planning, thrown away afterwards.
struct Planner<'a> {
    situation: Situation<'a>,
    needs: HashMap<NodeId, Need<'a>>,
    /// Needs in order of their appearance, so that equal inputs give equal plans.
    need_order: Vec<NodeId>,
    values: ReadList,
    attributes: ReadList,
    targets: HashMap<NodeId, Target>,
    target_order: Vec<NodeId>,
    /// Tags by name: the declaration that wins.
    tags: BTreeMap<Arc<str>, usize>,
    reboot: Option<usize>,
    factory_reset: Option<usize>,
    schedule_inform: Option<usize>,
    /// Instance counts per parent: declarations in order.
    counts: HashMap<NodeId, Vec<usize>>,
    count_order: Vec<NodeId>,
    missing_local_root: Option<&'static str>,
    virtual_gets: BTreeMap<Arc<str>, (Freshness, Sources)>,
    virtual_sets: BTreeMap<Arc<str>, usize>,
}

/// An object whose children must be listed.
#[derive(Debug, Default)]
struct Need<'a> {
    /// What is wanted below it, each a rest of a pattern that begins with its children.
    below: Vec<&'a [crate::path::Segment]>,
    sources: Sources,
}

/// The declarations that win for one node.
#[derive(Debug, Default, Clone, Copy)]
struct Target {
    value: Option<usize>,
    notification: Option<usize>,
    access_list: Option<usize>,
}

/// Nodes to read, in order, with those who want them.
#[derive(Debug, Default)]
struct ReadList {
    order: Vec<NodeId>,
    sources: HashMap<NodeId, Sources>,
}

impl ReadList {
    fn add(&mut self, id: NodeId, source: u32) {
        let order = &mut self.order;
        self.sources
            .entry(id)
            .or_insert_with(|| {
                order.push(id);
                Sources::new()
            })
            .insert(source);
    }

    fn batch(&self, size: usize) -> (&[NodeId], Sources) {
        let batch = &self.order[..self.order.len().min(size.max(1))];
        let sources = batch.iter().flat_map(|id| self.sources.get(id).into_iter().flatten().copied()).collect();
        (batch, sources)
    }
}

impl<'a> Planner<'a> {
    fn new(situation: Situation<'a>) -> Planner<'a> {
        Planner {
            situation,
            needs: HashMap::new(),
            need_order: Vec::new(),
            values: ReadList::default(),
            attributes: ReadList::default(),
            targets: HashMap::new(),
            target_order: Vec::new(),
            tags: BTreeMap::new(),
            reboot: None,
            factory_reset: None,
            schedule_inform: None,
            counts: HashMap::new(),
            count_order: Vec::new(),
            missing_local_root: None,
            virtual_gets: BTreeMap::new(),
            virtual_sets: BTreeMap::new(),
        }
    }

    fn next_read(&mut self) -> Option<Step> {
        if let Some(root) = self.missing_local_root {
            return Some(Step::Local(vec![LocalChange::EnsureRoot(root)]));
        }
        self.plan_instance_reads();
        if let Some(step) = self.next_listing() {
            return Some(step);
        }
        let tree = self.situation.tree;
        let size = self.situation.settings.batch_size;
        let names = |batch: &[NodeId]| batch.iter().map(|&id| tree.path_text(id)).collect::<Vec<_>>();
        if let Some(group) = self.situation.ledger.split_reads.front() {
            let sources = self.values.sources.values().flatten().copied().collect();
            return Some(Step::Request(
                AcsRequest::GetParameterValues { parameter_names: group.clone() },
                Purpose::Read { sources },
            ));
        }
        if !self.values.order.is_empty() {
            let (batch, sources) = self.values.batch(size);
            let request = AcsRequest::GetParameterValues { parameter_names: names(batch) };
            return Some(Step::Request(request, Purpose::Read { sources }));
        }
        if let Some(group) = self.situation.ledger.split_attribute_reads.front() {
            let wanted = |id: &&NodeId| group.contains(&tree.path_text(**id));
            let sources = self.attributes.order.iter().filter(wanted).filter_map(|id| self.attributes.sources.get(id));
            return Some(Step::Request(
                AcsRequest::GetParameterAttributes { parameter_names: group.clone() },
                Purpose::Read { sources: sources.flatten().copied().collect() },
            ));
        }
        if !self.attributes.order.is_empty() {
            let (batch, sources) = self.attributes.batch(size);
            let request = AcsRequest::GetParameterAttributes { parameter_names: names(batch) };
            return Some(Step::Request(request, Purpose::Read { sources }));
        }
        if !self.virtual_gets.is_empty() {
            return Some(Step::GetVirtualParameters(std::mem::take(&mut self.virtual_gets)));
        }
        None
    }

    fn effective(&self, index: usize) -> &Effective<'a> {
        &self.situation.declarations[index]
    }

    /// Whether an alias' instance matches, including one that is being made for it.
    fn is_instance(&self, instance: NodeId, alias: &Alias) -> bool {
        self.situation.tree.satisfies_alias(instance, alias)
    }
}
