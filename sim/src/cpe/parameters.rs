//! The parameter RPCs: names, values, attributes (TR-069 Annex A.3.2.1 to A.3.2.5).

use std::collections::HashSet;

use super::{Device, any_prefix};
use crate::soap::{AttributeChange, Fault, ParameterValue, Writer};
use crate::value::{Value, XsdType, allowed_for_name, is_secret};

impl Device {
    pub(super) fn parameter_names(&self, path: &str, next_level: bool, writer: &Writer<'_>) -> Result<String, Fault> {
        let behaviour = &self.options.behaviour;
        let partial = path.is_empty() || path.ends_with('.');
        if path.is_empty() && behaviour.refuse_empty_path {
            return Err(Fault::new(9005));
        }
        let node = self.model.get(path);
        if !path.is_empty() && node.is_none() {
            return Err(Fault::new(9005));
        }
        let mut names: Vec<(&str, bool)> = Vec::new();
        match node {
            Some(node) if !partial => {
                if next_level {
                    return Err(Fault::new(9003));
                }
                names.push((path, node.writable));
            }
            _ if next_level && !behaviour.ignore_next_level => {
                names.extend(self.model.children(path).map(|(name, node)| (name, node.writable)));
            }
            _ => names.extend(self.model.walk(path).map(|(name, node)| (name, node.writable))),
        }
        Ok(writer.parameter_names(&names))
    }

    pub(super) fn parameter_values(&self, names: &[String], writer: &Writer<'_>) -> Result<String, Fault> {
        let behaviour = &self.options.behaviour;
        let hidden = Value::new("", XsdType::String);
        let mut values: Vec<(&str, &Value)> = Vec::new();
        for (path, value) in self.parameters_at(names)? {
            let secret = is_secret(path) && !behaviour.show_passwords;
            values.push((path, if secret { &hidden } else { value }));
        }
        if behaviour.most_values.is_some_and(|most| values.len() > most) {
            return Err(Fault::new(9004));
        }
        Ok(writer.parameter_values(&values))
    }

    /// The parameters that a list of names and partial paths means, in order.
    fn parameters_at<'a>(&'a self, names: &'a [String]) -> Result<Vec<(&'a str, &'a Value)>, Fault> {
        let behaviour = &self.options.behaviour;
        let mut found = Vec::new();
        for name in names {
            let refused = any_prefix(&behaviour.deny_names, name)
                || (name.is_empty() && behaviour.refuse_empty_path)
                || (!name.is_empty() && self.model.get(name).is_none());
            if refused {
                return Err(Fault::new(9005));
            }
            if name.is_empty() || name.ends_with('.') {
                found.extend(self.model.walk(name).filter_map(|(path, node)| {
                    let value = node.value.as_ref()?;
                    (!any_prefix(&behaviour.deny_names, path)).then_some((path, value))
                }));
            } else if let Some(value) = self.model.get(name).and_then(|node| node.value.as_ref()) {
                found.push((name.as_str(), value));
            }
        }
        Ok(found)
    }

    pub(super) fn set_parameter_values(
        &mut self,
        list: &[ParameterValue],
        parameter_key: &str,
        writer: &Writer<'_>,
    ) -> Result<String, Fault> {
        let mut names = HashSet::new();
        if !list.iter().all(|item| names.insert(&item.name)) {
            let text = "Invalid arguments: a parameter is set twice".to_owned();
            return Err(Fault { text, ..Fault::new(9003) });
        }
        let refused: Vec<(String, u32)> =
            list.iter().filter_map(|item| Some((item.name.clone(), self.refusal(item)?))).collect();
        if !refused.is_empty() {
            return Err(Fault::parameters(refused));
        }
        let later = self.options.behaviour.apply_after_session;
        for item in list {
            if later {
                self.deferred.push((item.name.clone(), item.value.clone()));
            } else {
                self.write_value(&item.name, &item.value);
            }
        }
        self.set_parameter_key(parameter_key);
        self.publish_credentials();
        Ok(writer.status("SetParameterValuesResponse", u32::from(later)))
    }

    /// The fault code for a value that cannot be set; `None` when it can.
    fn refusal(&self, item: &ParameterValue) -> Option<u32> {
        let behaviour = &self.options.behaviour;
        let node = self.model.get(&item.name).filter(|_| !any_prefix(&behaviour.deny_names, &item.name));
        let Some((node, value)) = node.and_then(|node| Some((node, node.value.as_ref()?))) else {
            return Some(9005);
        };
        if !node.writable {
            return Some(9008);
        }
        let other_type = item.xsi_type.as_ref().is_some_and(|given| XsdType::parse(given) != value.xsd);
        if other_type && !behaviour.lenient_types {
            return Some(9006);
        }
        let fits =
            value.xsd.accepts(&item.value) && (behaviour.lenient_values || allowed_for_name(&item.name, &item.value));
        (!fits).then_some(9007)
    }

    /// Stores an accepted value, unless the device forgets it.
    pub(super) fn write_value(&mut self, path: &str, text: &str) {
        if any_prefix(&self.options.behaviour.forget_values, path) {
            return;
        }
        let stored = match self.model.get(path).and_then(|node| node.value.as_ref()) {
            Some(value) => value.stored_form(text).to_owned(),
            None => return,
        };
        self.model.set_text(path, &stored);
    }

    pub(super) fn set_parameter_key(&mut self, key: &str) {
        self.model.set_root_text("ManagementServer.ParameterKey", key);
    }

    pub(super) fn parameter_attributes(&self, names: &[String], writer: &Writer<'_>) -> Result<String, Fault> {
        let attributes: Vec<_> =
            self.parameters_at(names)?.into_iter().map(|(path, _)| (path, self.attributes_of(path))).collect();
        Ok(writer.parameter_attributes(&attributes))
    }

    pub(super) fn set_parameter_attributes(
        &mut self,
        list: &[AttributeChange],
        writer: &Writer<'_>,
    ) -> Result<String, Fault> {
        let mut changes = Vec::new();
        for item in list {
            if item.notification.is_some_and(|notification| notification > 2) {
                return Err(Fault::new(9003));
            }
            let asked = std::slice::from_ref(&item.name);
            for (path, _) in self.parameters_at(asked)? {
                let wanted = item.notification.unwrap_or(0) > 0;
                if wanted && any_prefix(&self.options.behaviour.refuse_notification, path) {
                    return Err(Fault::new(9009));
                }
                let mut attributes = self.attributes_of(path);
                if let Some(notification) = item.notification {
                    attributes.notification = notification;
                }
                if let Some(access_list) = &item.access_list {
                    attributes.access_list.clone_from(access_list);
                }
                changes.push((Box::from(path), attributes));
            }
        }
        self.attributes.extend(changes);
        Ok(writer.bare("SetParameterAttributesResponse"))
    }
}
