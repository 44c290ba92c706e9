//! Messages of a device, as text.

/// `urn:dslforum-org:cwmp-1-0`
pub const CWMP_1_0: &str = "urn:dslforum-org:cwmp-1-0";

/// An envelope of CWMP 1.0 with a `cwmp:ID`.
pub fn envelope(id: &str, rpc: &str) -> String {
    envelope_with(CWMP_1_0, &format!("<cwmp:ID soap-env:mustUnderstand=\"1\">{id}</cwmp:ID>"), rpc)
}

/// An envelope with its namespace, and its header's elements.
pub fn envelope_with(namespace: &str, header: &str, rpc: &str) -> String {
    format!(
        "<soap-env:Envelope xmlns:soap-env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:soap-enc=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cwmp=\"{namespace}\">\
         <soap-env:Header>{header}</soap-env:Header><soap-env:Body>{rpc}</soap-env:Body></soap-env:Envelope>"
    )
}

/// A ParameterValueStruct of type string.
pub fn parameter(name: &str, value: &str) -> String {
    typed_parameter(name, value, "xsd:string")
}

/// A ParameterValueStruct.
pub fn typed_parameter(name: &str, value: &str, xsi_type: &str) -> String {
    format!(
        "<ParameterValueStruct><Name>{name}</Name><Value xsi:type=\"{xsi_type}\">{value}</Value></ParameterValueStruct>"
    )
}

/// An Inform, part by part.
#[derive(Debug, Clone)]
pub struct Inform {
    pub manufacturer: String,
    pub oui: String,
    pub product_class: String,
    pub serial_number: String,
    /// Event codes with their CommandKeys.
    pub events: Vec<(String, String)>,
    pub max_envelopes: String,
    pub current_time: String,
    pub retry_count: String,
    /// ParameterValueStructs.
    pub parameters: Vec<String>,
    pub namespace: String,
    /// Header elements besides the `cwmp:ID`.
    pub header: String,
}

impl Inform {
    /// Of the event `2 PERIODIC`, with a software version.
    pub fn of(serial_number: &str) -> Inform {
        Inform {
            manufacturer: "ExampleCorp".into(),
            oui: "0A1B2C".into(),
            product_class: "Box".into(),
            serial_number: serial_number.into(),
            events: vec![("2 PERIODIC".into(), String::new())],
            max_envelopes: "1".into(),
            current_time: "2026-01-01T00:00:00Z".into(),
            retry_count: "0".into(),
            parameters: vec![parameter("Device.DeviceInfo.SoftwareVersion", "1.0")],
            namespace: CWMP_1_0.into(),
            header: String::new(),
        }
    }

    /// With exactly these events, without CommandKeys.
    pub fn events(mut self, codes: &[&str]) -> Inform {
        self.events = codes.iter().map(|code| ((*code).to_owned(), String::new())).collect();
        self
    }

    /// With one event more.
    pub fn event(mut self, code: &str, command_key: &str) -> Inform {
        self.events.push((code.to_owned(), command_key.to_owned()));
        self
    }

    /// With one parameter more.
    pub fn parameter(mut self, name: &str, value: &str) -> Inform {
        self.parameters.push(parameter(name, value));
        self
    }

    /// In another CWMP namespace.
    pub fn namespace(mut self, namespace: &str) -> Inform {
        self.namespace = namespace.to_owned();
        self
    }

    /// With these elements in the envelope's header besides the `cwmp:ID`.
    pub fn header(mut self, elements: &str) -> Inform {
        self.header = elements.to_owned();
        self
    }

    /// The `cwmp:Inform` element.
    pub fn rpc(&self) -> String {
        let Inform { manufacturer, oui, product_class, serial_number, .. } = self;
        let events: String = self
            .events
            .iter()
            .map(|(code, key)| {
                format!("<EventStruct><EventCode>{code}</EventCode><CommandKey>{key}</CommandKey></EventStruct>")
            })
            .collect();
        let (max_envelopes, time, retry_count) = (&self.max_envelopes, &self.current_time, &self.retry_count);
        format!(
            "<cwmp:Inform><DeviceId><Manufacturer>{manufacturer}</Manufacturer><OUI>{oui}</OUI>\
             <ProductClass>{product_class}</ProductClass><SerialNumber>{serial_number}</SerialNumber></DeviceId>\
             <Event soap-enc:arrayType=\"cwmp:EventStruct[{}]\">{events}</Event><MaxEnvelopes>{max_envelopes}</MaxEnvelopes>\
             <CurrentTime>{time}</CurrentTime><RetryCount>{retry_count}</RetryCount>\
             <ParameterList soap-enc:arrayType=\"cwmp:ParameterValueStruct[{}]\">{}</ParameterList></cwmp:Inform>",
            self.events.len(),
            self.parameters.len(),
            self.parameters.concat(),
        )
    }

    /// The whole envelope.
    pub fn envelope(&self, id: &str) -> String {
        let header = format!("<cwmp:ID soap-env:mustUnderstand=\"1\">{id}</cwmp:ID>{}", self.header);
        envelope_with(&self.namespace, &header, &self.rpc())
    }
}
