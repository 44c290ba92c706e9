//! AddObject and DeleteObject (TR-069 Annex A.3.2.6, A.3.2.7).

use super::{Device, any_prefix};
use crate::model::instance_number;
use crate::soap::{Fault, Writer};

impl Device {
    pub(super) fn add_object(
        &mut self,
        object: &str,
        parameter_key: &str,
        writer: &Writer<'_>,
    ) -> Result<String, Fault> {
        let behaviour = &self.options.behaviour;
        if !self.model.can_add_instance(object) || any_prefix(&behaviour.deny_names, object) {
            return Err(Fault::new(9005));
        }
        let full = behaviour.most_instances.is_some_and(|most| self.model.instance_count(object) >= most);
        if full {
            return Err(Fault::new(9004));
        }
        let ignored = any_prefix(&behaviour.ignore_add_object, object);
        let twice = any_prefix(&behaviour.add_two, object);
        let number = if ignored {
            // The number a well-behaved device would give.
            self.model.clone().add_instance(object)
        } else {
            self.make_instance(object)
        };
        if twice && !ignored {
            self.make_instance(object);
        }
        self.set_parameter_key(parameter_key);
        Ok(writer.add_object(number, 0))
    }

    fn make_instance(&mut self, object: &str) -> u32 {
        let number = self.model.add_instance(object);
        if self.options.behaviour.reset_new_instances {
            let instance = format!("{object}{number}.");
            let first_values: Vec<(String, String)> = self
                .model
                .walk(&instance)
                .filter_map(|(path, node)| Some((path.to_owned(), node.value.as_ref()?.text.to_string())))
                .collect();
            self.made.extend(first_values);
        }
        number
    }

    pub(super) fn delete_object(
        &mut self,
        instance: &str,
        parameter_key: &str,
        writer: &Writer<'_>,
    ) -> Result<String, Fault> {
        let deletable = instance_number(instance).is_some()
            && self.model.get(instance).is_some_and(|node| node.writable)
            && !any_prefix(&self.options.behaviour.deny_names, instance);
        if !deletable {
            return Err(Fault::new(9005));
        }
        self.model.delete_instance(instance);
        self.attributes.retain(|path, _| !path.starts_with(instance));
        self.changed.retain(|path| !path.starts_with(instance));
        self.set_parameter_key(parameter_key);
        Ok(writer.status("DeleteObjectResponse", 0))
    }
}
