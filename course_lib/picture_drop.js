// The zone of widgets_drop.py: pictures are dropped, pasted or chosen, and Python gets each one's name and bytes.
// What is no picture or too large is refused here: a message too large for Jupyter would cut the page's connection.

function make(tag, properties, attributes = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function problemWith(file, model) {
  const [name, rule] = [file.name.toLowerCase(), model.get("rule")];
  if (!model.get("accept").split(",").some((kind) => kind === file.type || name.endsWith(kind)))
    return `${file.name} is not a picture of a kind that is read here: choose another file (${rule})`;
  if (file.size > model.get("most_bytes"))
    return `${file.name} has ${(file.size / 2 ** 20).toFixed(1)} MiB: save it smaller or as a JPEG (${rule})`;
}

function render({ model, el }) {
  const [label, rule, multiple] = [model.get("label"), model.get("rule"), model.get("multiple")];
  const button = make("button", { type: "button", textContent: label, title: `choose a file: ${rule}` });
  const input = make("input", { type: "file", hidden: true, accept: model.get("accept"), multiple });
  const them = multiple ? "them" : "it";
  const hint = make("span", { textContent: `or drop ${them} here, or click here and paste ${them} (Ctrl+V)` });
  const alert = make("div", {}, { role: "alert" });
  const zone = make(
    "div",
    { className: "course-picture-drop", tabIndex: -1 }, // a click takes the focus, and a paste goes where that is
    { role: "group", "aria-label": `${label}: drop, paste or choose a file` },
  );
  zone.append(button, input, hint, make("small", { textContent: rule }), alert);
  el.append(zone);

  const say = (problem) => problem && alert.append(make("div", { textContent: `⚠ ${problem}` }));
  say(model.get("problem"));
  model.on("change:problem", () => say(model.get("problem")));

  async function handOver(files) {
    alert.replaceChildren();
    if (!multiple && files.length > 1) say("One picture at a time: the first one counts, the others were left out.");
    for (const file of multiple ? files : files.slice(0, 1)) {
      const problem = problemWith(file, model);
      try {
        // A message for each: together they may be larger than a message can be.
        if (!problem) model.send({ name: file.name }, undefined, [await file.arrayBuffer()]);
      } catch (error) {
        say(`${file.name} could not be handed over: ${error.message}`);
      }
      say(problem);
    }
  }

  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    handOver([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });

  for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
    zone.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault(); // or the browser opens the file in place of the notebook
      event.stopPropagation();
      zone.classList.toggle("over", kind !== "drop" && (kind !== "dragleave" || zone.contains(event.relatedTarget)));
      if (kind === "drop") handOver([...event.dataTransfer.files]);
    });

  // Browsers send a paste to where text is selected, which may be elsewhere: so it is heard on the whole page.
  const paste = (event) => {
    if (!zone.contains(document.activeElement)) return;
    event.preventDefault();
    event.stopPropagation();
    handOver([...event.clipboardData.files]);
    if (!event.clipboardData.files.length) say("The clipboard holds no picture: copy one, then paste again.");
  };
  document.addEventListener("paste", paste, { capture: true });
  return () => document.removeEventListener("paste", paste, { capture: true });
}

export default { render };
