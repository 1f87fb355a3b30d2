// The page works without this script. With it, rename forms open one at a time and take the focus, what has been said is not
// said again by a reload, the page shows what has changed when one comes back to it, nothing of it is shown from the browser's
// memory, and a form that is submitted twice is sent once.
(() => {
  // "Back" may show a page as it was left, also after its session has ended, and whatever the response's headers say.
  addEventListener("pagehide", () => document.documentElement.classList.add("tds-left"));
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  const sent = new WeakSet();
  document.addEventListener("submit", (event) => {
    if (sent.has(event.target)) event.preventDefault();
    sent.add(event.target);
    setTimeout(() => sent.delete(event.target), 5000);
  });
  const forms = document.querySelectorAll(".tds-rename");
  for (const details of forms) {
    details.addEventListener("toggle", () => {
      if (!details.open) return;
      for (const other of forms) if (other !== details) other.open = false;
      details.querySelector("input").focus();
    });
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !details.open) return;
      details.open = false;
      details.querySelector("summary").focus();
    });
  }
  const address = new URL(location.href);
  if (address.searchParams.has("done")) {
    address.searchParams.delete("done");
    history.replaceState(null, "", address);
  }
  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenAt = Date.now();
    else if (hiddenAt && Date.now() - hiddenAt > 60000 && !document.querySelector(".tds-rename[open]")) location.reload();
  });
})();
