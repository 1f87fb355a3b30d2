//! The scripts: what Redis does in one step.

use std::sync::LazyLock;

use redis::Cmd;

/// A script, known to a server by its hash once it has run there.
#[derive(Debug)]
pub(super) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

/// One call of a script. The first key decides which node of a cluster it goes to.
#[derive(Debug)]
pub(super) struct Call {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn new(script: &'static Script, keys: impl IntoIterator<Item = String>) -> Self {
        Self { script, keys: keys.into_iter().collect(), arguments: Vec::new() }
    }

    pub(super) fn arg(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// A number, in digits.
    pub(super) fn number(self, number: i64) -> Self {
        self.arg(number.to_string())
    }

    /// Says that something is so by its name, and that it is not by nothing.
    pub(super) fn flag(self, name: &str, is_set: bool) -> Self {
        self.arg(if is_set { name } else { "" })
    }

    /// The key that decides which node of a cluster the call goes to.
    pub(super) fn routing_key(&self) -> &str {
        self.keys.first().map_or("", String::as_str)
    }

    /// The call for a server that knows the script.
    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// The call for a server that may not know the script; afterwards it does.
    pub(super) fn in_full(&self) -> Cmd {
        self.command("EVAL", self.script.code)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident: $($code:expr),+;)+) => {$(
        $(#[$doc])*
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($($code),+)));
    )+};
}

/// A server that is out of memory refuses what could take more, but ending sessions must always be possible.
macro_rules! even_when_full {
    () => {
        "#!lua flags=allow-oom\n"
    };
}

scripts! {
    /// Says nothing, in a form that Redis does not know before version 7.
    PROBE: even_when_full!(), "return 1";
    /// A change of nothing, which a server that takes no changes refuses all the same.
    CHECK: even_when_full!(), "redis.call('HDEL', KEYS[1], 'none') return redis.call('PEXPIRE', KEYS[1], 1)";
    FIND: include_str!("lua/prelude.lua"), include_str!("lua/find.lua");
    INSERT: include_str!("lua/prelude.lua"), include_str!("lua/insert.lua");
    LIST: include_str!("lua/prelude.lua"), include_str!("lua/list.lua");
    TOUCH: include_str!("lua/prelude.lua"), include_str!("lua/touch.lua");
    END: even_when_full!(), include_str!("lua/prelude.lua"), include_str!("lua/end.lua");
    // A server that takes no activity for want of memory must not call sessions idle.
    EXPIRE: include_str!("lua/prelude.lua"), include_str!("lua/end.lua");
    END_ALL: even_when_full!(), include_str!("lua/prelude.lua"), include_str!("lua/end_all.lua");
    CUT_OFF: even_when_full!(), include_str!("lua/prelude.lua"), include_str!("lua/cut_off.lua");
    ENDED_BETWEEN: even_when_full!(), include_str!("lua/ended_between.lua");
    IN_SCOPE: even_when_full!(), include_str!("lua/in_scope.lua");
    RENAME: include_str!("lua/prelude.lua"), include_str!("lua/rename.lua");
    FORGET_ADDRESSES: include_str!("lua/prelude.lua"), include_str!("lua/forget_addresses.lua");
    SET_DATA: include_str!("lua/prelude.lua"), include_str!("lua/set_data.lua");
    ROTATE: include_str!("lua/prelude.lua"), include_str!("lua/rotate.lua");
    SCAN: include_str!("lua/prelude.lua"), include_str!("lua/scan.lua");
    PURGE: include_str!("lua/prelude.lua"), include_str!("lua/purge.lua");
    SEE_DEVICE: include_str!("lua/prelude.lua"), include_str!("lua/see_device.lua");
    DEVICES: include_str!("lua/prelude.lua"), include_str!("lua/devices.lua");
    RENAME_DEVICE: include_str!("lua/prelude.lua"), include_str!("lua/rename_device.lua");
    TRUST_DEVICE: include_str!("lua/prelude.lua"), include_str!("lua/trust_device.lua");
    DISTRUST_DEVICES: even_when_full!(), include_str!("lua/prelude.lua"), include_str!("lua/distrust_devices.lua");
    FORGET_DEVICE: even_when_full!(), include_str!("lua/prelude.lua"), include_str!("lua/forget_device.lua");
    SETTLE_DEVICE: even_when_full!(), include_str!("lua/prelude.lua"), include_str!("lua/settle_device.lua");
    ERASE: even_when_full!(), include_str!("lua/prelude.lua"), include_str!("lua/erase.lua");
}
