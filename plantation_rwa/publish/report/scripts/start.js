// First the map and the plantation of most value among those with pictures, the first of them where there are several
// currencies; the rest when it comes near the window.
function watchChoice() {
  const list = document.getElementById("chosen");
  if (!list) return;
  list.append(...data.plantations.map((p, i) => make("option", { value: String(i) }, p.id)));
  list.addEventListener("change", () => choose(Number(list.value)));
  const step = (by) => choose((chosen + by + data.plantations.length) % data.plantations.length);
  document.getElementById("before").addEventListener("click", () => step(-1));
  document.getElementById("after").addEventListener("click", () => step(1));
}

watchTable();
watchChoice();
drawMap();
skillNote();
portfolioCharts();
for (const radio of document.querySelectorAll('input[name="mode"]')) radio.addEventListener("change", colourMap);
if (data.plantations.length) {
  const all = data.plantations.map((_, i) => i);
  const pictured = all.filter((i) => !data.chips[i].none);
  const worth = (i) => (data.money ? data.plantations[i].fair : null) ?? -Infinity;
  choose((pictured.length ? pictured : all).reduce((best, i) => (worth(i) > worth(best) ? i : best)));
}
document.documentElement.dataset.ready = "yes";
