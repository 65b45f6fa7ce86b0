//! A path with its operations. It owns the errors that any request may get.
//!
//! HEAD and OPTIONS are described once in the text for all paths, because as operations they would double the generated
//! clients.

use std::collections::BTreeMap;

use akvs_core::Code;
use utoipa::openapi::PathItem;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, PathItemBuilder};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::response::Response;
use utoipa::openapi::security::SecurityRequirement;

use super::problems;
use crate::response::problem;

/// The errors of any request, except those of open routes.
const ANY_ERRORS: [Code; 6] = [
    Code::MisdirectedRequest,
    Code::Overloaded,
    Code::Closing,
    Code::Unavailable,
    Code::Storage,
    Code::Corrupted,
];
/// The errors of a path with parameters.
const NAME_ERRORS: [Code; 3] = [Code::InvalidNamespace, Code::InvalidKey, Code::NotFound];
/// The errors of a token or of its absence; the second one also of a write from a page of another site, on a server
/// without tokens.
const TOKEN_ERRORS: [Code; 2] = [Code::Unauthorized, Code::Forbidden];
/// The errors of writes only.
pub(super) const WRITE_ERRORS: [Code; 4] = [
    Code::TooLarge,
    Code::OutcomeUnknown,
    Code::QuotaExceeded,
    Code::StorageFull,
];
/// The description of an operation.
pub(super) struct OperationDescription {
    method: HttpMethod,
    id: &'static str,
    summary: &'static str,
    text: Option<String>,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    answers: BTreeMap<u16, Response>,
    errors: Vec<Code>,
}

impl OperationDescription {
    /// Returns an operation with this method and this name, which generated clients use.
    pub(super) fn new(
        method: HttpMethod,
        id: &'static str,
        summary: &'static str,
    ) -> OperationDescription {
        OperationDescription {
            method,
            id,
            summary,
            text: None,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    pub(super) fn description(mut self, text: impl Into<String>) -> OperationDescription {
        self.text = Some(text.into());
        self
    }

    pub(super) fn parameters(
        mut self,
        parameters: impl IntoIterator<Item = Parameter>,
    ) -> OperationDescription {
        self.parameters.extend(parameters);
        self
    }

    pub(super) fn body(mut self, body: RequestBody) -> OperationDescription {
        self.body = Some(body);
        self
    }

    pub(super) fn response(mut self, status: u16, response: Response) -> OperationDescription {
        self.answers.insert(status, response);
        self
    }

    pub(super) fn errors(mut self, codes: impl IntoIterator<Item = Code>) -> OperationDescription {
        self.errors.extend(codes);
        self
    }

    fn describe(&self, route: &PathDescription) -> Operation {
        let mut operation = OperationBuilder::new()
            .tag(route.tag)
            .operation_id(Some(format!("{}{}", self.id, route.suffix)))
            .summary(Some(self.summary))
            .description(self.text.as_ref());
        for parameter in &self.parameters {
            operation = operation.parameter(parameter.clone());
        }
        for (&status, response) in &self.answers {
            operation = operation.response(status.to_string(), response.clone());
        }
        for code in self.errors.iter().copied().chain(route.errors()) {
            let status = problem::status(code).as_u16();
            // A response of the operation's own takes precedence.
            if !self.answers.contains_key(&status) {
                operation = operation.response(status.to_string(), problems::reference(status));
            }
        }
        route
            .guard(operation.request_body(self.body.clone()))
            .build()
    }
}

/// A path with its operations.
pub(super) struct PathDescription {
    path: &'static str,
    tag: &'static str,
    /// The suffix of the names of its operations, which distinguishes them from those of a similar path.
    suffix: &'static str,
    parameters: Vec<Parameter>,
    is_open: bool,
    operations: Vec<OperationDescription>,
}

impl PathDescription {
    pub(super) fn new(path: &'static str, tag: &'static str) -> PathDescription {
        PathDescription {
            path,
            tag,
            suffix: "",
            parameters: Vec::new(),
            is_open: false,
            operations: Vec::new(),
        }
    }

    pub(super) fn suffix(mut self, suffix: &'static str) -> PathDescription {
        self.suffix = suffix;
        self
    }

    /// Adds the parameters of the path.
    pub(super) fn at(mut self, parameters: impl IntoIterator<Item = Parameter>) -> PathDescription {
        self.parameters.extend(parameters);
        self
    }

    /// Marks the path as open: no token is needed.
    pub(super) fn open(mut self) -> PathDescription {
        self.is_open = true;
        self
    }

    pub(super) fn with(mut self, operation: OperationDescription) -> PathDescription {
        self.operations.push(operation);
        self
    }

    /// Returns the path and its description.
    pub(super) fn describe(self) -> (&'static str, PathItem) {
        let mut item = PathItemBuilder::new();
        if !self.parameters.is_empty() {
            item = item.parameters(Some(self.parameters.clone()));
        }
        for operation in &self.operations {
            item = item.operation(operation.method.clone(), operation.describe(&self));
        }
        (self.path, item.build())
    }

    /// Returns the errors that any request to the path may get.
    fn errors(&self) -> impl Iterator<Item = Code> + use<> {
        let (any, tokens): (&'static [Code], &'static [Code]) = if self.is_open {
            (&[Code::MisdirectedRequest], &[])
        } else {
            (&ANY_ERRORS, &TOKEN_ERRORS)
        };
        let names: &'static [Code] = if self.parameters.is_empty() {
            &[]
        } else {
            &NAME_ERRORS
        };
        any.iter().chain(tokens).chain(names).copied()
    }

    fn guard(&self, operation: OperationBuilder) -> OperationBuilder {
        if self.is_open {
            operation.securities(Some(Vec::<SecurityRequirement>::new()))
        } else {
            operation
        }
    }
}
