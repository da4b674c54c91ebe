/** @file The site's theme: VitePress's own, with the project's colours. */
import DefaultTheme from "vitepress/theme";
import "./style.css";

export default DefaultTheme;
