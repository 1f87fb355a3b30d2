//! A real browser, driven over the pipe of its DevTools protocol: no port, no driver process, no crate.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// The one browser of all tests. Each of its [`Tab`]s has a profile of its own.
pub struct Chromium {
    _child: Child,
    commands: Mutex<ChildStdin>,
    next: AtomicU64,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    answers: Mutex<HashMap<u64, Sender<Value>>>,
    events: Mutex<HashMap<String, Sender<Value>>>,
}

impl Chromium {
    /// The browser, or `None`, and a line that says so, where there is none. With `REQUIRE_BROWSER` that is a failure.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Chromium>> = OnceLock::new();
        let start = || {
            let started = Self::start();
            if started.is_none() {
                println!("skipped: what the page does in a browser is not tested without chromium");
            }
            started
        };
        let shared = SHARED.get_or_init(start).as_ref();
        let is_needed = std::env::var_os("REQUIRE_BROWSER").is_some();
        assert!(shared.is_some() || !is_needed, "there is no chromium, and REQUIRE_BROWSER is set");
        shared
    }

    fn start() -> Option<Self> {
        let named = std::env::var("CHROMIUM").ok();
        let names = named.iter().map(String::as_str).chain(["chromium", "chromium-browser", "google-chrome"]);
        let works = |name: &&str| {
            Command::new(name)
                .arg("--version")
                .stderr(Stdio::null())
                .output()
                .is_ok_and(|output| output.status.success())
        };
        let name = names.into_iter().find(works)?;
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{}", std::process::id()));
        // The protocol is spoken over the descriptors 3 and 4, which are our pipes. When they close, the browser ends.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null", name])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking"])
            .args(["--disable-component-update", "--mute-audio", "--font-render-hinting=none"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let commands = Mutex::new(child.stdin.take().expect("piped"));
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let waiting: Arc<Waiting> = Arc::default();
        let listening = Arc::clone(&waiting);
        std::thread::spawn(move || listening.listen(answers));
        Some(Self { _child: child, commands, next: AtomicU64::new(1), waiting })
    }

    fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value, Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let (sender, receiver) = channel();
        self.waiting.answers.lock().expect("no panic").insert(id, sender);
        let mut commands = self.commands.lock().expect("no panic");
        commands.write_all(format!("{message}\0").as_bytes()).expect("the browser lives");
        commands.flush().expect("the browser lives");
        drop(commands);
        let mut answer = receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].take()),
        }
    }

    /// A tab with a profile of its own, as a browser of this name.
    pub fn tab(&'static self, browser: Browser) -> Tab {
        let ask = |method, parameters| self.call(None, method, parameters).unwrap_or_else(|error| panic!("{error}"));
        let context = ask("Target.createBrowserContext", json!({}))["browserContextId"].clone();
        let target = json!({ "url": "about:blank", "browserContextId": context });
        let target = ask("Target.createTarget", target)["targetId"].clone();
        let attached = ask("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        let (sender, events) = channel();
        self.waiting.events.lock().expect("no panic").insert(session.clone(), sender);
        let tab = Tab { chromium: self, context, session, events, complaints: Vec::new() };
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        tab.call("Emulation.setUserAgentOverride", browser.as_parameters());
        tab
    }
}

impl Waiting {
    fn listen(&self, answers: impl BufRead) {
        for message in answers.split(0).map_while(Result::ok) {
            let message: Value = serde_json::from_slice(&message).expect("JSON");
            let receiver = match (message["id"].as_u64(), message["sessionId"].as_str()) {
                (Some(id), _) => self.answers.lock().expect("no panic").remove(&id),
                (None, Some(session)) => self.events.lock().expect("no panic").get(session).cloned(),
                (None, None) => None,
            };
            if let Some(receiver) = receiver {
                // A tab that has been closed listens no more.
                let _ = receiver.send(message);
            }
        }
    }
}

/// As which browser a tab presents itself.
#[derive(Clone, Copy)]
pub enum Browser {
    ChromeOnWindows,
    SafariOnIphone,
}

impl Browser {
    fn as_parameters(self) -> Value {
        match self {
            Self::ChromeOnWindows => json!({ "userAgent": crate::support::CHROME, "platform": "Win32" }),
            Self::SafariOnIphone => json!({ "userAgent": crate::support::IPHONE, "platform": "iPhone" }),
        }
    }
}

/// The only tab of its profile. It is closed when it is dropped.
pub struct Tab {
    chromium: &'static Chromium,
    context: Value,
    session: String,
    events: Receiver<Value>,
    complaints: Vec<String>,
}

impl Tab {
    pub fn call(&self, method: &str, parameters: Value) -> Value {
        let answer = self.chromium.call(Some(&self.session), method, parameters);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Goes to an address, and waits for what is there.
    pub fn open(&mut self, url: &str) {
        self.forget_events();
        self.call("Page.navigate", json!({ "url": url }));
        self.await_load();
    }

    /// Clicks in the middle of the one element that the selector finds, as a mouse does.
    pub fn click(&self, selector: &str) {
        let node = self.find(selector);
        self.call("DOM.scrollIntoViewIfNeeded", json!({ "nodeId": node }));
        let corners = self.call("DOM.getBoxModel", json!({ "nodeId": node }))["model"]["border"].clone();
        let corner = |index: usize| corners[index].as_f64().expect("a number");
        let (x, y) = ((corner(0) + corner(4)) / 2.0, (corner(1) + corner(5)) / 2.0);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Clicks, and waits for the page that this leads to.
    pub fn follow(&mut self, selector: &str) {
        self.forget_events();
        self.click(selector);
        self.await_load();
    }

    /// Goes back in the history, and waits for the page that is asked for. Says whether there was one in the browser's
    /// memory.
    pub fn back(&mut self) -> bool {
        self.forget_events();
        let history = self.call("Page.getNavigationHistory", json!({}));
        let current = usize::try_from(history["currentIndex"].as_u64().expect("a number")).expect("a small number");
        let entry = history["entries"][current.checked_sub(1).expect("a page before")]["id"].clone();
        self.call("Page.navigateToHistoryEntry", json!({ "entryId": entry }));
        let mut from_memory = false;
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("nothing was asked for again ({error}):\n{}", self.text());
            });
            self.note(&event);
            from_memory |= event["params"]["type"] == "BackForwardCacheRestore";
            if event["method"] == "Page.loadEventFired" {
                return from_memory;
            }
        }
    }

    /// Presses a key, and waits for the page that this leads to.
    pub fn press_and_follow(&mut self, key: &str) {
        self.forget_events();
        self.press(key);
        self.await_load();
    }

    pub fn press(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            other => panic!("{other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types into the element that has the focus.
    pub fn write(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Empties a field, and types into it.
    pub fn fill(&self, selector: &str, text: &str) {
        self.call("DOM.focus", json!({ "nodeId": self.find(selector) }));
        self.evaluate(&format!("document.querySelector({}).value = ''", json!(selector)));
        self.write(text);
    }

    /// The value of an expression, also where the page's own scripts are switched off.
    pub fn evaluate(&self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// What a person reads on the page.
    pub fn text(&self) -> String {
        self.evaluate("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Path and query of the page's address.
    pub fn address(&self) -> String {
        self.evaluate("location.pathname + location.search").as_str().unwrap_or_default().to_owned()
    }

    pub fn count(&self, selector: &str) -> u64 {
        self.evaluate(&format!("document.querySelectorAll({}).length", json!(selector))).as_u64().expect("a number")
    }

    /// The names of the cookies that the browser keeps.
    pub fn cookies(&self) -> Vec<String> {
        let answer = self.call("Network.getCookies", json!({}));
        let cookies = answer["cookies"].as_array().cloned().unwrap_or_default();
        cookies.iter().filter_map(|cookie| cookie["name"].as_str().map(str::to_owned)).collect()
    }

    pub fn without_scripts(&self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    }

    pub fn size(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// `light` or `dark`.
    pub fn scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// The page, from its top to its end.
    pub fn screenshot(&self, scale: u32) -> Vec<u8> {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": scale });
        let parameters = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.call("Page.captureScreenshot", parameters);
        STANDARD.decode(answer["data"].as_str().expect("an image")).expect("base64")
    }

    /// What the browser has complained about so far: violations of the content security policy, errors, exceptions.
    pub fn complaints(&mut self) -> Vec<String> {
        self.forget_events();
        std::mem::take(&mut self.complaints)
    }

    fn find(&self, selector: &str) -> u64 {
        let found = self.count(selector);
        assert_eq!(found, 1, "{selector} on {}:\n{}", self.address(), self.text());
        let root = self.call("DOM.getDocument", json!({ "depth": 0 }))["root"]["nodeId"].clone();
        let node = self.call("DOM.querySelector", json!({ "nodeId": root, "selector": selector }));
        node["nodeId"].as_u64().expect("a node")
    }

    fn await_load(&mut self) {
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no page: {error}"));
            self.note(&event);
            if event["method"] == "Page.loadEventFired" {
                return;
            }
        }
    }

    fn forget_events(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.note(&event);
        }
    }

    fn note(&mut self, event: &Value) {
        let entry = &event["params"]["entry"];
        let url = entry["url"].as_str().unwrap_or_default();
        let complaint = match event["method"].as_str() {
            // A status that is no success is one of the things that a page may answer, and no browser finds an icon
            // here.
            Some("Log.entryAdded") if entry["source"] == "network" => url.contains("/assets/"),
            Some("Log.entryAdded") => true,
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Page.javascriptDialogOpening") => true,
            _ => false,
        };
        if complaint {
            self.complaints.push(event["params"].to_string());
        }
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        let _ = self.chromium.call(None, "Target.disposeBrowserContext", json!({ "browserContextId": self.context }));
        self.chromium.waiting.events.lock().expect("no panic").remove(&self.session);
    }
}

/// How long a browser may take for anything, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);
