/** @file A script of its own before the page's, since libraries give `navigator.language` to Intl as they load. */
import { mendLanguage } from "../shared/language.ts";

mendLanguage(navigator);
