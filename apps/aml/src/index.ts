export { type AmlConfig, amlConfig, amlSettings } from './config.ts';
export { type AmlEnv, AmlModule } from './aml.module.ts';
export { amlProgram } from './program.ts';
export { amlService } from './service.ts';
