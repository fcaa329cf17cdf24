// Only comfort: without scripts everything is there, open, and in the same order.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const studies = all(".study"), parts = all(".parts"), contents = document.querySelector(".contents");

// Studies are folded but for the first, and whatever a link leads to unfolds.
parts.slice(1).forEach(part => { part.open = false; });
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const study = target.closest(".study");
  if (study) {
    if (study.hidden) { form.reset(); filter(); }
    study.querySelector(".parts").open = true;
  }
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);

// Everything is on paper.
let folded = [];
addEventListener("beforeprint", () => { folded = parts.filter(part => !part.open); folded.forEach(part => { part.open = true; }); });
addEventListener("afterprint", () => folded.forEach(part => { part.open = false; }));

// Contents at the side are open; on a phone they are folded, and fold again after a choice.
const wide = matchMedia("(min-width: 72rem)");
const unfold = () => { contents.open = wide.matches; };
wide.addEventListener("change", unfold);
contents.addEventListener("click", event => { if (event.target.closest("a")) unfold(); });
unfold();

// A filter by images and method.
const form = document.querySelector(".filter");
function filter() {
  const images = form.elements.images.value, method = form.elements.method.value;
  studies.forEach(study => {
    const has = !method || study.dataset.methods.split(" ").includes(method);
    study.hidden = !(has && (!images || study.dataset.images === images));
    document.getElementById(`in-contents-${study.id}`).hidden = study.hidden;
  });
  all("tr[data-method]").forEach(row => row.classList.toggle("chosen", row.dataset.method === method));
  const shown = studies.filter(study => !study.hidden).length;
  form.querySelector("output").value = images || method ? `${shown} of ${studies.length} studies` : "";
}
if (form) {
  form.hidden = false;
  form.addEventListener("change", filter);
  form.addEventListener("submit", event => event.preventDefault());
}

// Tables that go on to the right say so.
function measure() {
  const cut = all(".scroll").map(box => [box.previousElementSibling, box.scrollWidth > box.clientWidth + 1]);
  cut.forEach(([note, more]) => { note.hidden = !more; });
}
addEventListener("resize", measure);
document.addEventListener("toggle", measure, true);
measure();
reveal();
