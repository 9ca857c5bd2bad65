export const writeMeridian = (): readonly string[] => [];
