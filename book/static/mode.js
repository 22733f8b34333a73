// First visit: follow the system's light or dark mode. Without this the theme logs an error, then does the same.
document.documentElement.dataset.mode ||= "auto";
