import "./api/link";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { applyTheme } from "./parts/Theme";
import "./style.css";

applyTheme();
const page = document.getElementById("page");
if (page) createRoot(page).render(<App />);
