import { defineConfig, type UserConfig } from "vite";

// In this repository "colloquy" means src/. A page of your own needs no configuration.
const config: UserConfig = defineConfig({
  resolve: { conditions: ["@colloquy/source", "module", "browser", "development"] },
});

export default config;
