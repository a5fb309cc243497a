//! What a client runs on, with the spelling of each place that names it.

/// What a client runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub enum Platform {
    IPhone,
    IPad,
    Android,
    Web,
    Windows,
    Mac,
    Linux,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 7] = [
        Self::IPhone,
        Self::IPad,
        Self::Android,
        Self::Web,
        Self::Windows,
        Self::Mac,
        Self::Linux,
    ];

    /// The platform of a client that gives this name at sign-in; names are case-sensitive.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|platform| platform.name() == name)
    }

    /// The name that a client gives at sign-in.
    pub fn name(self) -> &'static str {
        match self {
            Self::IPhone => "iOS",
            Self::IPad => "iPad",
            Self::Android => "Android",
            Self::Web => "Web",
            Self::Windows => "Windows",
            Self::Mac => "Mac",
            Self::Linux => "Linux",
        }
    }

    /// The name in the details of an online status (wire §3.7).
    pub fn detail_name(self) -> &'static str {
        match self {
            Self::IPhone => "IPhone",
            Self::IPad => "IPad",
            Self::Android => "Android",
            Self::Web => "Web",
            Self::Windows | Self::Linux => "PC",
            Self::Mac => "Mac",
        }
    }

    /// The `OptPlatform` of a webhook other than `State.StateChange` (wire §8.1). Linux has no name
    /// there.
    pub fn opt_platform(self) -> &'static str {
        match self {
            Self::IPhone => "iOS",
            Self::IPad => "iPad",
            Self::Android => "Android",
            Self::Web => "Web",
            Self::Windows => "Windows",
            Self::Mac => "macOS",
            Self::Linux => "Unknown",
        }
    }

    /// The `OptPlatform` of `State.StateChange`, which spells one of them its own way (wire §8.1).
    pub fn state_change_opt_platform(self) -> &'static str {
        match self {
            Self::IPhone => "IOS",
            _ => self.opt_platform(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (platform, name, detail, opt, state_change) in [
            (Platform::IPhone, "iOS", "IPhone", "iOS", "IOS"),
            (Platform::IPad, "iPad", "IPad", "iPad", "iPad"),
            (
                Platform::Android,
                "Android",
                "Android",
                "Android",
                "Android",
            ),
            (Platform::Web, "Web", "Web", "Web", "Web"),
            (Platform::Windows, "Windows", "PC", "Windows", "Windows"),
            (Platform::Mac, "Mac", "Mac", "macOS", "macOS"),
            (Platform::Linux, "Linux", "PC", "Unknown", "Unknown"),
        ] {
            assert_eq!(Platform::parse(name), Some(platform));
            assert_eq!(platform.name(), name);
            assert_eq!(platform.detail_name(), detail);
            assert_eq!(platform.opt_platform(), opt);
            assert_eq!(platform.state_change_opt_platform(), state_change);
        }
        for unknown in ["", "ios", "IOS", "IPhone", "PC", "macOS", "Unknown"] {
            assert_eq!(Platform::parse(unknown), None, "{unknown}");
        }
    }
}
