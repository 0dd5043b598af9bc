// First the map and the plantation of most value, the first where there are several currencies; the rest when it comes near the window.
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
  const worth = data.plantations.map((p) => (data.money ? p.fair : null) ?? -Infinity);
  choose(worth.indexOf(Math.max(...worth)));
}
document.documentElement.dataset.ready = "yes";
