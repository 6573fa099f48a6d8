// The page reads well without this. It adds a button that opens or closes all plans.
for (const bar of document.querySelectorAll("[data-opens]")) {
  const all = () => [...document.querySelectorAll(bar.dataset.opens)];
  if (all().length === 0) continue;
  const button = document.createElement("button");
  button.type = "button";
  const say = () => {
    const open = all().every((one) => one.open);
    button.textContent = (open ? "Close" : "Open") + " " + bar.dataset.names;
    button.setAttribute("aria-pressed", String(open));
  };
  button.addEventListener("click", () => {
    const open = !all().every((one) => one.open);
    for (const one of all()) one.open = open;
    say();
  });
  document.addEventListener("toggle", say, true);
  say();
  bar.append(button);
}
