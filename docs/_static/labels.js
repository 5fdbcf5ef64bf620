// The theme names the search button "Search", although it shows the keys as well: what is shown is the name.
document.addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll(".search-button-field").forEach((button) => button.removeAttribute("aria-label")));
