"use strict";
SwaggerUIBundle({
  url: "../openapi.yaml",
  dom_id: "#portal",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  tryItOutEnabled: true,
});
